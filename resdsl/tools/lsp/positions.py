"""Places in a text as editors count them: lines, and units of an encoding in a line, both from 0."""

from __future__ import annotations

import re
from bisect import bisect_right

from lsprotocol import types

from resdsl.diagnostics import Span

_LINE_END = re.compile(r"\r\n|\n|\r")
"""The line ends of the protocol. ``str.splitlines`` also breaks at form feeds, which are blanks in the language."""


class Positions:
    """Offsets and positions of one text.

    ``encoding`` is the one that the client and the server agreed on; a character may have several units in it.
    """

    def __init__(self, text: str, encoding: str = "utf-16") -> None:
        self.text = text
        self._encoding = encoding
        self._starts = [0, *(found.end() for found in _LINE_END.finditer(text))]
        self._ends = [*(found.start() for found in _LINE_END.finditer(text)), len(text)]
        self._plain = text.isascii() or encoding == "utf-32"

    @property
    def lines(self) -> int:
        return len(self._starts)

    def position(self, offset: int) -> types.Position:
        line = bisect_right(self._starts, offset) - 1
        start = self._starts[line]
        # Between the two characters of a line end is no place of its own.
        end = min(offset, self._ends[line])
        return types.Position(line, end - start if self._plain else self._units(self.text[start:end]))

    def offset(self, position: types.Position) -> int:
        """The offset; that of the nearest place for a position that the text does not have."""
        if position.line >= len(self._starts):
            return len(self.text)
        start, end = self._starts[position.line], self._ends[position.line]
        if self._plain:
            return min(start + position.character, end)
        units = 0
        for offset in range(start, end):
            if units >= position.character:
                return offset
            units += self._units(self.text[offset])
        return end

    def range(self, start: int, end: int) -> types.Range:
        return types.Range(self.position(start), self.position(end))

    def of(self, span: Span) -> types.Range:
        return self.range(span.start, span.end)

    def units(self, start: int, end: int) -> int:
        """The length of a part of one line, in units."""
        return end - start if self._plain else self._units(self.text[start:end])

    def line_start(self, line: int) -> int:
        return self._starts[line]

    def line_end(self, line: int) -> int:
        """The offset of the end of a line, before the characters that end it."""
        return self._ends[line]

    def changed(self, change: types.TextDocumentContentChangeEvent) -> str:
        """The text after a change, of a range or of the whole."""
        if not isinstance(change, types.TextDocumentContentChangePartial):
            return change.text
        start, end = self.offset(change.range.start), self.offset(change.range.end)
        return self.text[:start] + change.text + self.text[max(start, end) :]

    def _units(self, text: str) -> int:
        if self._encoding == "utf-8":
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) + sum(character > "\uffff" for character in text)
