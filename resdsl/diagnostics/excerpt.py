"""Excerpts of a source with places underlined, in the style of rustc."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from resdsl.diagnostics.glyphs import Glyph, glyphs, width
from resdsl.diagnostics.source import Source, Span
from resdsl.diagnostics.styled_line import Style, StyledLine

# A place over more lines than this is drawn by its ends.
_WHOLE_LINES = 6
# More hidden lines than this are shown as `...`; fewer as an empty line of the frame.
_NEAR_LINES = 5
NARROWEST = 20
WIDEST = 500
"""Columns where the width of the terminal is not known: a text without line ends is not drawn whole."""

_LOOKED_AT = 4_000
"""Characters of a longer line that are looked at, around what is marked first."""

_CUT = "…"


@dataclass(frozen=True, slots=True)
class Mark:
    """A place to underline, and its message."""

    span: Span
    text: str
    sign: str
    style: Style


@dataclass(frozen=True, slots=True)
class Extent:
    """A span as lines (from 1) and characters in them (from 0), within its text; the last character is not in it."""

    first_line: int
    first: int
    last_line: int
    last: int

    @classmethod
    def of(cls, span: Span) -> Extent:
        source = span.source
        start = min(max(span.start, 0), len(source.text))
        end = min(max(span.end, start), len(source.text))
        first_line, first_column = source.position(start)
        # A span that ends with a line's end ends on that line, not at the start of the next.
        last_line, last_column = source.position(max(start, end - 1))
        last = last_column if end > start else last_column - 1
        first = min(first_column - 1, len(source.line(first_line)))
        return cls(first_line, first, last_line, min(last, len(source.line(last_line))))

    @property
    def is_one_line(self) -> bool:
        return self.first_line == self.last_line


@dataclass(slots=True)
class SourceLine:
    """One line of a source and the window of its cells that is shown.

    Of a very long line it has the part around a character; cells are counted from the start of that part.
    """

    glyphs: list[Glyph]
    length: int
    low: int = 0
    high: int = field(default=0)
    is_cut_before: bool = False
    is_cut_after: bool = False

    @classmethod
    def of(cls, source: Source, number: int, around: int) -> SourceLine:
        text = source.line(number)
        first = max(0, min(around - _LOOKED_AT // 2, len(text) - _LOOKED_AT))
        part = text[first : first + _LOOKED_AT]
        found = glyphs(part)
        if first:
            found = [glyph._replace(start=glyph.start + first, end=glyph.end + first) for glyph in found]
        length = sum(glyph.width for glyph in found)
        return cls(found, length, 0, length + 1, first > 0, first + len(part) < len(text))

    def cell(self, character: int) -> int:
        """The cell where the glyph that holds this character begins; past the end, the cell after the last."""
        at = 0
        for glyph in self.glyphs:
            if character < glyph.end:
                return at
            at += glyph.width
        return at

    def cells(self, first: int, last: int) -> tuple[int, int]:
        """The half-open range of cells that the characters ``[first, last)`` take, one cell at least."""
        start = self.cell(first)
        end = start
        at = 0
        for glyph in self.glyphs:
            at += glyph.width
            if glyph.start < last and glyph.end > first:
                end = at
        return start, max(end, start + 1)

    def is_blank_before(self, character: int) -> bool:
        return all(glyph.text.isspace() for glyph in self.glyphs if glyph.end <= character)

    def look_at(self, ranges: Sequence[tuple[int, int]], room: int, available: int) -> None:
        """Choose the window of ``available`` cells that shows ``ranges`` and, if it can, ``room`` cells after them."""
        if self.length <= available:
            return
        anchor = ranges[0][0] if ranges else 0
        start = min((first for first, _ in ranges), default=0)
        end = max((last for _, last in ranges), default=0) + min(room, available // 2)
        slack = available - (end - start)
        low = start - slack // 2 if slack >= 2 else anchor - available // 4
        self.low = max(0, min(low, self.length - available))
        self.high = self.low + available

    def draw(self, row: StyledLine, column: int) -> None:
        at = 0
        for glyph in self.glyphs:
            if at >= self.low and at + glyph.width <= self.high:
                row.put(column + at - self.low, glyph.text)
            at += glyph.width
        if self.low > 0 or self.is_cut_before:
            row.put(column, _CUT, Style.FRAME)
        if self.high < self.length or self.is_cut_after:
            row.put(column + self.high - self.low - 1, _CUT, Style.FRAME)

    def clamp(self, start: int, end: int) -> tuple[int, int]:
        """A range of cells as columns of the window."""
        start = min(max(start, self.low), self.high - 1)
        return start - self.low, min(max(end, start + 1), self.high) - self.low


@dataclass(frozen=True, slots=True)
class _Bracket:
    """A mark over several lines: drawn as a line in the margin, ``depth`` columns from its left."""

    mark: Mark
    extent: Extent
    depth: int

    def begins_in_margin(self, line: SourceLine) -> bool:
        return line.is_blank_before(self.extent.first)


def gutter_digits(spans: Iterable[Span]) -> int:
    """The digits of the largest line number that excerpts of these places show."""
    return max((len(str(Extent.of(span).last_line)) for span in spans), default=1)


def excerpt(source: Source, marks: Sequence[Mark], digits: int, columns: int) -> Iterator[StyledLine]:
    """The lines of ``source`` that hold ``marks``, each with its messages below it.

    The first mark is the one that a cut line shows if it can't show all. ``columns`` is the width of the terminal.
    """
    drawing = _Drawing(source, marks, digits, columns)
    yield from drawing.rows()


def frame(digits: int, sign: str = "|", number: str = "") -> StyledLine:
    """The start of a line: the gutter with a line's number, and the frame's edge."""
    return StyledLine().put(digits - len(number), number, Style.FRAME).put(digits + 1, sign, Style.FRAME)


class _Drawing:
    def __init__(self, source: Source, marks: Sequence[Mark], digits: int, columns: int) -> None:
        self._source = source
        self._digits = digits
        extents = [(mark, Extent.of(mark.span)) for mark in marks]
        self._single = [(mark, extent) for mark, extent in extents if extent.is_one_line]
        self._brackets = _brackets([(mark, extent) for mark, extent in extents if not extent.is_one_line])
        self._margin = digits + 3
        depth = max((bracket.depth + 1 for bracket in self._brackets), default=0)
        self._code = self._margin + depth + (1 if depth else 0)
        self._available = max(columns - self._code, NARROWEST)

    def rows(self) -> Iterator[StyledLine]:
        numbers = _shown_lines(self._single, self._brackets)
        for number, following in pairwise([*numbers, 0]):
            yield from self._line(number)
            hidden = following - number - 1
            if hidden > 0:
                yield self._gap(number, hidden)

    def _gap(self, number: int, hidden: int) -> StyledLine:
        row = frame(self._digits) if hidden <= _NEAR_LINES else StyledLine().put(0, "...", Style.FRAME)
        self._draw_open(row, (bracket for bracket in self._brackets if _is_open_after(bracket, number)))
        return row

    def _line(self, number: int) -> Iterator[StyledLine]:
        here = [(mark, extent) for mark, extent in self._single if extent.first_line == number]
        starting = [bracket for bracket in self._brackets if bracket.extent.first_line == number]
        ending = [bracket for bracket in self._brackets if bracket.extent.last_line == number]
        places = [(extent.first, extent.last) for _, extent in here]
        places += [(bracket.extent.first, bracket.extent.first + 1) for bracket in starting]
        places += [(bracket.extent.last - 1, bracket.extent.last) for bracket in ending]
        line = SourceLine.of(self._source, number, around=places[0][0] if places else 0)
        ranges = [line.cells(*place) for place in places]
        single = [(mark, cells) for (mark, _), cells in zip(here, ranges, strict=False)]
        texts = [mark.text for mark, _ in here] + [bracket.mark.text for bracket in ending]
        line.look_at(ranges, max((width(text) + 1 for text in texts), default=0), self._available)
        in_margin = [bracket for bracket in starting if bracket.begins_in_margin(line)]
        open_now = [
            bracket for bracket in self._brackets if bracket.extent.first_line < number <= bracket.extent.last_line
        ]

        row = frame(self._digits, number=str(number))
        self._draw_open(row, open_now)
        for bracket in in_margin:
            row.put(self._margin + bracket.depth, "/", bracket.mark.style)
        line.draw(row, self._code)
        yield row

        open_now += in_margin
        for row in _underlined([(mark, line.clamp(*cells)) for mark, cells in single], self._code):
            yield self._framed(row, open_now)
        for bracket in starting:
            if bracket not in in_margin:
                start, _ = line.clamp(*line.cells(bracket.extent.first, bracket.extent.first + 1))
                yield self._turn(bracket, self._margin + bracket.depth + 1, start, open_now)
                open_now.append(bracket)
        # The innermost ends first, so that no line crosses another.
        for bracket in sorted(ending, key=lambda bracket: -bracket.depth):
            _, end = line.clamp(*line.cells(bracket.extent.last - 1, bracket.extent.last))
            row = self._turn(bracket, self._margin + bracket.depth + 1, end - 1, open_now)
            if bracket.mark.text:
                row.put(self._code + end + 1, bracket.mark.text, bracket.mark.style)
            yield row
            open_now.remove(bracket)

    def _turn(self, bracket: _Bracket, first: int, cell: int, open_now: Sequence[_Bracket]) -> StyledLine:
        """The row where a bracket's line leaves the margin for the sign under ``cell``."""
        row = self._framed(StyledLine(), open_now)
        for column in range(first, self._code + cell):
            row.put_if_blank(column, "_", bracket.mark.style)
        return row.put(self._code + cell, bracket.mark.sign, bracket.mark.style)

    def _framed(self, row: StyledLine, open_now: Iterable[_Bracket]) -> StyledLine:
        row.put(self._digits + 1, "|", Style.FRAME)
        self._draw_open(row, open_now)
        return row

    def _draw_open(self, row: StyledLine, brackets: Iterable[_Bracket]) -> None:
        for bracket in brackets:
            row.put(self._margin + bracket.depth, "|", bracket.mark.style)


def _is_open_after(bracket: _Bracket, number: int) -> bool:
    return bracket.extent.first_line <= number < bracket.extent.last_line


def _brackets(marks: Sequence[tuple[Mark, Extent]]) -> list[_Bracket]:
    """Give each mark over several lines a column of the margin, the enclosing ones further left."""
    found: list[_Bracket] = []
    for mark, extent in sorted(marks, key=lambda entry: (entry[1].first_line, -entry[1].last_line)):
        taken = {bracket.depth for bracket in found if bracket.extent.last_line >= extent.first_line}
        depth = next(depth for depth in range(len(marks)) if depth not in taken)
        found.append(_Bracket(mark, extent, depth))
    return found


def _shown_lines(single: Sequence[tuple[Mark, Extent]], brackets: Sequence[_Bracket]) -> list[int]:
    shown = {extent.first_line for _, extent in single}
    for bracket in brackets:
        first, last = bracket.extent.first_line, bracket.extent.last_line
        shown |= set(range(first, last + 1)) if last - first < _WHOLE_LINES else {first, last}
    # A mark for one hidden line would take as much room as the line.
    return sorted(shown | {number + 1 for number in shown if number + 2 in shown})


def _underlined(marks: Sequence[tuple[Mark, tuple[int, int]]], code: int) -> list[StyledLine]:
    """The rows below a line: the underlining with the last text beside it, then the other texts from right to left."""
    if not marks:
        return []
    underline = StyledLine()
    # The first mark is the most important: it is drawn last.
    for mark, (start, end) in reversed(marks):
        underline.put(code + start, mark.sign * (end - start), mark.style)
    rows = [underline]

    beside = max(marks, key=lambda entry: (entry[1][1], entry[1][0]))
    hung = [entry for entry in marks if entry is not beside and entry[0].text]
    if beside[0].text:
        underline.put(code + beside[1][1] + 1, beside[0].text, beside[0].style)
    hung.sort(key=lambda entry: -entry[1][0])
    for number in range(len(hung) + 1 if hung else 0):
        row = StyledLine()
        for mark, (start, _) in reversed(hung[max(number - 1, 0) :]):
            row.put(code + start, "|", mark.style)
        if number > 0:
            mark, (start, _) = hung[number - 1]
            row.put(code + start, mark.text, mark.style)
        rows.append(row)
    return rows
