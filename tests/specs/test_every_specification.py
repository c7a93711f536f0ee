"""Properties of every built-in specification."""

from __future__ import annotations

from pathlib import Path

import pytest

from resdsl.diagnostics import Diagnostics, Source
from resdsl.diagnostics.render import render
from resdsl.elaborate import elaborate, load_program

from .shipped import ROOT

SPECIFICATIONS = sorted((ROOT / "specs").glob("*.res"))
LONGEST = 60


@pytest.mark.parametrize("path", SPECIFICATIONS, ids=lambda path: path.stem)
def test_it_has_no_error_and_no_warning(path: Path) -> None:
    diagnostics = Diagnostics()
    program = load_program(Source(path.name, path.read_text(encoding="utf-8"), path), diagnostics)
    for model in program.main.models:
        elaborate(program, diagnostics, model=model.name)
    assert render(diagnostics, color=False, width=120) == ""


@pytest.mark.parametrize("path", SPECIFICATIONS, ids=lambda path: path.stem)
def test_it_is_short_and_cites_its_paper(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert any(line.startswith("#") and "arXiv:" in line for line in text.splitlines())


@pytest.mark.parametrize("path", SPECIFICATIONS, ids=lambda path: path.stem)
def test_it_builds_for_any_size_of_batch(path: Path) -> None:
    diagnostics = Diagnostics()
    program = load_program(Source(path.name, path.read_text(encoding="utf-8"), path), diagnostics)
    graph = elaborate(program, diagnostics)
    assert graph is not None
    assert graph.symbols[:1] == ("N",)
