"""The docs are right: their specifications compile, their commands exist, their generated parts are current."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import resdsl
from resdsl.cli.app import COMMANDS

from .command_lines import command_lines, error_in, known_options, options

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```res\n(.*?)^```", re.DOTALL | re.MULTILINE)

SPECIFICATIONS = [
    pytest.param(text, id=f"{page.name}-{number}")
    for page in PAGES
    for number, text in enumerate(FENCE.findall(page.read_text()), 1)
]


@pytest.mark.parametrize("text", SPECIFICATIONS)
def test_a_specification_in_the_docs_is_a_good_one(text: str) -> None:
    specification = resdsl.loads(text)
    assert [f"{found.message} ({found.primary.span})" for found in specification.check().errors if found.primary] == []
    assert not specification.diagnostics.errors


def test_the_docs_have_specifications() -> None:
    assert len(SPECIFICATIONS) >= 5


def test_the_generated_parts_are_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "update.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


LINES = [
    pytest.param(line, id=f"{page.relative_to(ROOT)}-{number}")
    for page in [*PAGES, *sorted((ROOT / "resdsl" / "diagnostics" / "pages").glob("*.md"))]
    for number, line in enumerate(command_lines(page.read_text()), 1)
]


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_in_the_docs_has_commands_and_options_that_exist(line: str) -> None:
    assert error_in(line) is None


def test_the_docs_have_command_lines() -> None:
    assert len(LINES) >= 100


OPTIONS_OF_OTHERS = {"--ext-diff", "--model-control-mode"}
"""Options of git and Triton that the docs name."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_options_in_the_docs_exist(page: Path) -> None:
    assert options(page.read_text()) <= known_options() | OPTIONS_OF_OTHERS


def test_the_readme_names_every_command() -> None:
    assert {line.split()[1] for line in command_lines((ROOT / "README.md").read_text())} == set(COMMANDS)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```\n$ resdsl frobnicate net.res\n```", "there is no command 'frobnicate'"),
        ("Run `resdsl\nfrobnicate`.", "there is no command 'frobnicate'"),
        ("```sh\nresdsl git frobnicate\n```", "there is no command 'frobnicate'"),
        ("`resdsl check --frobnicate`", "--frobnicate"),
        ("`resdsl bench a.onnx --emit ir | head`", "--emit"),
        ("`resdsl bench a.onnx | head --emit`", None),
        ("`resdsl compile SPEC --precision`", None),
    ],
)
def test_a_command_line_that_does_not_exist_is_noticed(text: str, error: str | None) -> None:
    (line,) = command_lines(text)
    found = error_in(line)
    assert found is None if error is None else error in str(found)


def test_the_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
