"""Errors and their messages: each ``errors/NAME.res`` beside its messages in ``errors/NAME.expected``.

``--update-golden`` writes the messages; they are to be read aloud before they are kept.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from resdsl.diagnostics import Diagnostics, Source
from resdsl.diagnostics.render import render
from resdsl.elaborate import elaborate, load_program

ERRORS = Path(__file__).parent / "errors"
CASES = sorted(ERRORS.glob("*.res"))


def found(path: Path) -> Diagnostics:
    diagnostics = Diagnostics()
    program = load_program(Source(path.name, path.read_text(encoding="utf-8"), path), diagnostics)
    elaborate(program, diagnostics)
    return diagnostics


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_error_is_reported(path: Path, request: pytest.FixtureRequest) -> None:
    text = render(found(path))
    expected = path.with_suffix(".expected")
    if request.config.getoption("--update-golden"):
        expected.write_bytes(text.encode())
    assert expected.exists(), f"{expected} is missing: run with --update-golden and read what it wrote"
    assert text == expected.read_bytes().decode()


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case_has_only_its_kind_of_error(path: Path) -> None:
    kinds = {diagnostic.severity.value for diagnostic in found(path)}
    assert kinds == ({"warning"} if path.stem.startswith("warning_") else {"error"})


def test_every_expected_text_has_its_source() -> None:
    assert {path.stem for path in ERRORS.glob("*.expected")} == {path.stem for path in CASES}


def test_five_independent_errors_are_reported_in_one_run() -> None:
    assert len(found(ERRORS / "five_independent_errors.res").errors) == 5
