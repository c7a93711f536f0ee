"""What an edit does not touch is kept, although the text is half-written most of the time."""

from __future__ import annotations

from pathlib import Path

import pytest

from resdsl.diagnostics import Source
from resdsl.elaborate.program import read_file
from resdsl.tools.lsp.analysis import Analysis, Known, Network, Settings
from resdsl.tools.lsp.features.completion import completions
from resdsl.tools.lsp.features.navigation import used_file
from resdsl.tools.lsp.features.outline import links

FIRST = "model first {\n  input x: f32[N, 3, 8, 8]\n  a: conv(4, 3x3)\n  output y\n}\n"
UNIT = "block unit(w) {\n  b: conv(w, 3x3)\n}\n"
SECOND = "model second {\n  input x: f32[N, 3, 8, 8]\n  u: unit(4)\n  output y\n}\n"


def analysed(text: str, known: Known) -> Analysis:
    analysis = Analysis(Source("net.res", text), Settings(), "utf-16", read_file, known)
    analysis.run()
    return analysis


def networks(text: str, known: Known) -> dict[str, Network]:
    has_errors = bool(analysed(text, known).diagnostics.errors)
    return {name: one for (name, errors), one in known.networks.items() if errors == has_errors}


@pytest.mark.parametrize("half", ["c: conv(", "residual {", "conv 8", ")", "x: conv(4, 3x3) }"])
def test_half_written_text_keeps_the_other_networks(half: str) -> None:
    known = Known()
    whole = networks(FIRST + UNIT + SECOND, known)
    written = SECOND.replace("output", f"{half}\n  output")
    broken = networks(FIRST + UNIT + written, known)
    assert broken["first"].trace is whole["first"].trace and broken["first"].graph is None
    assert broken["second"].trace is not whole["second"].trace
    again = networks(FIRST + UNIT + SECOND.replace("output", f"{half} \n  output"), known)
    assert again["first"] is broken["first"]
    assert networks(FIRST + UNIT + SECOND, known)["first"] is whole["first"]


def test_a_broken_block_changes_the_networks_that_use_it() -> None:
    known = Known()
    whole = networks(FIRST + UNIT + SECOND, known)
    broken = networks(FIRST + UNIT.replace("3x3)", "3x3") + SECOND, known)
    assert broken["first"].trace is whole["first"].trace
    assert broken["second"].trace is not whole["second"].trace


def test_a_name_that_a_broken_definition_takes_away_is_no_error_of_its_use() -> None:
    known = Known()
    analysed(FIRST + UNIT + SECOND, known)
    text = FIRST + UNIT.replace("(w)", " w") + SECOND
    for kept in (Known(), known):
        assert [error.code.id for error in analysed(text, kept).diagnostics.errors] == ["E0101"]


@pytest.mark.parametrize("name", ["\0", "a\0.res", "n" * 5_000, "/".join("d" * 3_000)])
def test_a_name_that_no_file_can_have_is_no_link(tmp_path: Path, name: str) -> None:
    (tmp_path / "blocks.res").write_text(UNIT)
    text = f'use "blocks.res" (unit)\nuse "{name}" (other)\n' + SECOND.replace("  u:", f'  labels "{name}"\n  u:')
    analysis = Analysis(Source("net.res", text, tmp_path / "net.res"), Settings(), "utf-16", read_file)
    analysis.run()
    assert [link.target for link in links(analysis)] == [(tmp_path / "blocks.res").as_uri()]
    assert used_file(analysis, analysis.module.items[1]) is None  # type: ignore[arg-type]
    errors = [error.code.id for error in analysis.diagnostics.errors]
    assert len(errors) == 2 and errors[0] == "E0401" and errors[1] in ("E0613", "E0405")
    half = Analysis(Source("net.res", f'use "{name}/', tmp_path / "net.res"), Settings(), "utf-16", read_file)
    found = completions(half, half.positions.position(len(half.source.text)))
    assert all(item.label.startswith("std/") for item in found)
