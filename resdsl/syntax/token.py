"""One token of a text."""

from __future__ import annotations

from typing import Self

import lark


class Token(lark.Token):
    """A Lark token with short names for its attributes, whose positions are always known.

    ``kind`` is the terminal of the grammar; ``start`` and ``end`` are offsets in the text; ``line`` and ``column``
    count from 1. Only a line end spans lines.
    """

    __slots__ = ()

    line: int
    column: int
    # Aliases of Lark's slots: they cost nothing, and unlike Lark's they are never `None`.
    kind: str = lark.Token.type
    start: int = lark.Token.start_pos  # type: ignore[assignment]
    end: int = lark.Token.end_pos  # type: ignore[assignment]

    def __new__(cls, kind: str, text: str, start: int, end: int, line: int, column: int) -> Self:
        token = str.__new__(cls, text)
        token.kind = kind
        token.start = start
        token.end = end
        token.line = line
        token.column = column
        return token

    # Derived, because the lexer makes 100,000 tokens a second.
    @property
    def value(self) -> str:
        return str(self)

    @property
    def end_line(self) -> int:  # type: ignore[override]
        return self.line

    @property
    def end_column(self) -> int:  # type: ignore[override]
        return self.column + len(self)
