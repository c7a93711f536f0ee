"""What the lines of a source look like once a fix is applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from resdsl.diagnostics.diagnostic import Edit
from resdsl.diagnostics.excerpt import NARROWEST, WIDEST, Extent, SourceLine, frame
from resdsl.diagnostics.source import Source
from resdsl.diagnostics.styled_line import Style, StyledLine

_MOST_LINES = 6


@dataclass(frozen=True, slots=True)
class _New:
    """Characters ``[start, end)`` of a patched text that a fix wrote; ``sign`` distinguishes added from replaced."""

    start: int
    end: int
    sign: str


def patched(source: Source, edits: Sequence[Edit], digits: int, columns: int) -> Iterator[StyledLine]:
    """The changed lines as they will be, what is new underlined (``+`` added, ``~`` in place of something).

    Removed lines are drawn with ``-`` in the frame. Edits that overlap draw nothing.
    """
    ordered = sorted(edits, key=lambda edit: (edit.span.start, edit.span.end))
    if any(before.span.end > after.span.start for before, after in pairwise(ordered)):
        return
    for lines, together in _by_lines(ordered):
        yield from _patched_lines(source, lines, together, digits, columns)


def _by_lines(edits: Sequence[Edit]) -> list[tuple[tuple[int, int], list[Edit]]]:
    """Edits that change the same or touching lines, and the first and last of those lines."""
    found: list[tuple[tuple[int, int], list[Edit]]] = []
    for edit in edits:
        extent = Extent.of(edit.span)
        if found and extent.first_line <= found[-1][0][1]:
            (first, last), together = found[-1]
            found[-1] = ((first, max(last, extent.last_line)), [*together, edit])
        else:
            found.append(((extent.first_line, extent.last_line), [edit]))
    return found


def _patched_lines(
    source: Source, lines: tuple[int, int], edits: Sequence[Edit], digits: int, columns: int
) -> Iterator[StyledLine]:
    first, last = lines
    begin = source.line_starts[first - 1]
    end = source.line_starts[last] if last < len(source.line_starts) else len(source.text)
    text, news = _apply(source.text, begin, end, edits)
    if not text.strip() and source.text[begin:end].strip():
        for number in range(first, min(last, first + _MOST_LINES - 1) + 1):
            yield frame(digits, "-", str(number)).put(digits + 3, source.line(number)[:WIDEST], Style.ERROR)
        return
    after = Source(source.name, text)
    shown = [number for number in range(1, len(after.line_starts) + 1) if number == 1 or after.line(number)]
    for number in shown[:_MOST_LINES]:
        yield from _patched_line(after, number, first + number - 1, news, digits, columns)
    if len(shown) > _MOST_LINES:
        yield StyledLine().put(0, "...", Style.FRAME)


def _patched_line(
    after: Source, number: int, shown_number: int, news: Sequence[_New], digits: int, columns: int
) -> Iterator[StyledLine]:
    """One line of a patched text, numbered ``shown_number``, and below it the signs of what is new."""
    start = after.line_starts[number - 1]
    length = len(after.line(number))
    inside = [(new.sign, max(new.start - start, 0), min(new.end - start, length)) for new in news]
    inside = [(sign, first, last) for sign, first, last in inside if first < last]
    line = SourceLine.of(after, number, around=inside[0][1] if inside else 0)
    new_cells = [(sign, line.cells(first, last)) for sign, first, last in inside]
    code = digits + 3
    line.look_at([cells for _, cells in new_cells], 0, max(columns - code, NARROWEST))
    row = frame(digits, number=str(shown_number))
    line.draw(row, code)
    yield row
    if not new_cells:
        return
    row = frame(digits)
    for sign, cells in new_cells:
        first, last = line.clamp(*cells)
        row.put(code + first, sign * (last - first), Style.HELP)
    yield row


def _apply(text: str, begin: int, end: int, edits: Sequence[Edit]) -> tuple[str, list[_New]]:
    """``text[begin:end]`` with ``edits`` made, and where the new characters stand in it."""
    pieces: list[str] = []
    news: list[_New] = []
    length = 0
    at = begin
    for edit in edits:
        start = min(max(edit.span.start, at), end)
        kept = text[at:start]
        pieces += [kept, edit.replacement]
        length += len(kept)
        news.append(_New(length, length + len(edit.replacement), "~" if edit.span.end > edit.span.start else "+"))
        length += len(edit.replacement)
        at = min(max(edit.span.end, start), end)
    pieces.append(text[at:end])
    return "".join(pieces), news
