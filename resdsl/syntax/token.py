"""A piece of the text, and what it is."""

from __future__ import annotations

from typing import Self


class Token(str):
    """Its text, with the terminal of the grammar that it is (``kind``) and its place: offsets in the text, and line and
    column from 1. A token stands on one line, but for the end of a line itself.
    """

    __slots__ = ("column", "end", "kind", "line", "start")

    kind: str
    start: int
    end: int
    line: int
    column: int

    def __new__(cls, kind: str, text: str, start: int, end: int, line: int, column: int) -> Self:
        token = str.__new__(cls, text)
        token.kind = kind
        token.start = start
        token.end = end
        token.line = line
        token.column = column
        return token
