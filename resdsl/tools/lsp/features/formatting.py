"""The layout of a text, as ``resdsl fmt`` writes it, in the smallest edits."""

from __future__ import annotations

from difflib import SequenceMatcher

from lsprotocol import types

from resdsl.diagnostics import Diagnostics
from resdsl.syntax.formatter import format_source
from resdsl.tools.lsp.analysis import Analysis

_MOST_LINES = 4_000
"""Lines of a text of which changed ones are looked for; a longer one is replaced as a whole."""


def formatted(analysis: Analysis, within: types.Range | None = None) -> list[types.TextEdit]:
    """The edits that format a text, or those that touch some of its lines; none for a text with syntax errors."""
    text = format_source(analysis.source, Diagnostics())
    if text is None or text == analysis.source.text:
        return []
    old, new = analysis.source.text.splitlines(keepends=True), text.splitlines(keepends=True)
    if max(len(old), len(new)) > _MOST_LINES or analysis.positions.lines != len(old) + _ends_with_line(old):
        # Lines that editors count otherwise.
        return [] if within else [types.TextEdit(analysis.positions.range(0, len(analysis.source.text)), text)]
    edits = []
    for tag, first, last, start, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal" or (within and not _touches(within, first, last)):
            continue
        where = types.Range(types.Position(first, 0), types.Position(last, 0))
        edits.append(types.TextEdit(_within_text(analysis, where), "".join(new[start:end])))
    return edits


def _ends_with_line(lines: list[str]) -> int:
    """1 if an empty line is behind the last, as editors count."""
    return int(not lines or lines[-1].endswith("\n"))


def _touches(within: types.Range, first: int, last: int) -> bool:
    return first <= within.end.line and within.start.line <= max(first, last - 1)


def _within_text(analysis: Analysis, where: types.Range) -> types.Range:
    """The last line of a text may have no end."""
    places = analysis.positions
    return places.range(places.offset(where.start), places.offset(where.end))
