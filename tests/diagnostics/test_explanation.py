"""Every code has a page, and its wrong example has that error, its fixed example none."""

from __future__ import annotations

import re
import shlex
import zipfile
from pathlib import Path

import click
import pytest

import resdsl
from resdsl.cli.app import COMMANDS, app
from resdsl.diagnostics import CompileError, Diagnostics
from resdsl.diagnostics.catalogue import CODES
from resdsl.diagnostics.diagnostic import Code
from resdsl.diagnostics.explanation import PAGES, Example, examples, page_of

EACH = pytest.mark.parametrize("code", CODES.values(), ids=list(CODES))
# Weights, files and machines: errors of commands, not of texts.
BY_COMMANDS = ("E07", "E08", "W07", "W08")
ABOUT_TEXT = [code for code in CODES.values() if not code.id.startswith(BY_COMMANDS)]
ABOUT_FILES = [code for code in CODES.values() if code not in ABOUT_TEXT]
COMMAND = re.compile(r"^resdsl .*$", re.MULTILINE)


def found_in(example: Example, folder: Path) -> Diagnostics:
    """What ``check`` finds in an example, the file ``example.res``; without a model in it, what ``compile`` would."""
    path = folder / "example.res"
    path.write_text(example.text, encoding="utf-8")
    specification = resdsl.load(path)
    if not specification.models:
        with pytest.raises(CompileError):
            _ = specification.graph
    return specification.check()


def test_every_page_is_of_a_code() -> None:
    assert {page.stem for page in PAGES.iterdir()} == set(CODES)


@EACH
def test_page_has_the_title_of_its_code_and_the_reason(code: Code) -> None:
    heading, why, *_ = page_of(code).split("\n\n")
    assert heading == f"# {code.id}: {code.title}"
    assert len(why.split()) >= 12


@pytest.mark.parametrize("code", ABOUT_TEXT, ids=lambda code: code.id)
def test_wrong_example_has_this_error_alone(code: Code, tmp_path: Path) -> None:
    wrong, _ = examples(page_of(code))
    assert wrong.kind == "res wrong"
    assert {found.code.id for found in found_in(wrong, tmp_path)} == {code.id}


@pytest.mark.parametrize("code", ABOUT_TEXT, ids=lambda code: code.id)
def test_fixed_example_has_no_error(code: Code, tmp_path: Path) -> None:
    _, fixed = examples(page_of(code))
    assert fixed.kind == "res"
    assert [f"{found.code.id} {found.message}" for found in found_in(fixed, tmp_path)] == []


@pytest.mark.parametrize("code", ABOUT_FILES, ids=lambda code: code.id)
def test_commands_of_a_page_are_commands_of_resdsl(code: Code) -> None:
    shown = examples(page_of(code))
    assert [example.kind for example in shown] == ["sh", "sh"]
    for example in shown:
        commands = COMMAND.findall(example.text)
        assert commands
        for line in commands:
            words = shlex.split(line, comments=True)[1:]
            words = words[: words.index(">")] if ">" in words else words
            assert words[0] in COMMANDS
            command = app.get_command(click.Context(app), words[0])
            assert command is not None
            # Raises on an option that does not exist.
            command.make_context(words[0], words[1:])


def test_the_pages_are_in_the_wheel(tmp_path: Path) -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling builds the wheel")
    (built,) = wheel.WheelBuilder(str(PAGES.parents[2])).build(directory=str(tmp_path))
    with zipfile.ZipFile(built) as archive:
        held = {Path(name).stem for name in archive.namelist() if name.startswith("resdsl/diagnostics/pages/")}
    assert held == set(CODES)
