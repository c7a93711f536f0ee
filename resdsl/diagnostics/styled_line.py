"""One line of terminal output: text placed at columns, each cell with a style."""

from __future__ import annotations

from enum import StrEnum
from itertools import groupby

from resdsl.diagnostics.glyphs import glyphs


class Style(StrEnum):
    """The role of a piece of text; the value is its ANSI style (SGR parameters)."""

    PLAIN = ""
    STRONG = "1"
    ERROR = "1;31"
    WARNING = "1;33"
    SECONDARY = "1;34"
    FRAME = "34"
    HELP = "1;32"


class StyledLine:
    """A line that is still being drawn. A glyph of two cells leaves its second cell empty."""

    def __init__(self) -> None:
        self._cells: list[str] = []
        self._styles: list[Style] = []

    @property
    def width(self) -> int:
        return len(self._cells)

    def put(self, column: int, text: str, style: Style = Style.PLAIN) -> StyledLine:
        """Draw ``text``, made safe for a terminal, from ``column`` on, over what stands there."""
        for glyph in glyphs(text):
            self._extend(column + glyph.width)
            if glyph.width == 0:
                self._join(column, glyph.text)
                continue
            # A tab or an escape is one glyph of several characters, each with a cell of its own.
            pieces = list(glyph.text) if len(glyph.text) == glyph.width else [glyph.text] + [""] * (glyph.width - 1)
            self._cells[column : column + glyph.width] = pieces
            self._styles[column : column + glyph.width] = [style] * glyph.width
            column += glyph.width
        return self

    def put_if_blank(self, column: int, text: str, style: Style) -> None:
        """Draw one narrow character unless something stands there."""
        self._extend(column + 1)
        if self._cells[column] == " ":
            self.put(column, text, style)

    def end(self, text: str, style: Style = Style.PLAIN) -> StyledLine:
        """Draw ``text`` after what was drawn so far."""
        return self.put(self.width, text, style)

    def to_text(self, *, color: bool) -> str:
        """The line without blanks at its end; with ANSI styles if ``color``."""
        length = self.width
        while length and self._cells[length - 1] == " ":
            length -= 1
        if not color:
            return "".join(self._cells[:length])
        runs = groupby(zip(self._cells[:length], self._styles[:length], strict=True), key=lambda cell: cell[1])
        return "".join(_styled("".join(text for text, _ in run), style) for style, run in runs)

    def _extend(self, length: int) -> None:
        missing = length - self.width
        if missing > 0:
            self._cells.extend(" " * missing)
            self._styles.extend([Style.PLAIN] * missing)

    def _join(self, column: int, combining: str) -> None:
        if column == 0:
            return
        at = column - 1
        while at > 0 and not self._cells[at]:
            at -= 1
        self._cells[at] += combining


def _styled(text: str, style: Style) -> str:
    return f"\x1b[{style.value}m{text}\x1b[0m" if style is not Style.PLAIN else text
