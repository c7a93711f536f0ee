"""The LALR tables of the grammar, and the lexer that its terminals make."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from lark import Lark, Token
from lark.lexer import BasicLexer, LexerThread

from resdsl.syntax.builder import Builder

MODULE = "module"
HOLE = "hole"


class _Kept:
    """Lark's way to keep terminals that no rule uses: comments, and text that is wrong in itself."""

    always_accept = (
        "COMMENT",
        "BAD_STRING",
        "OPEN_STRING",
        "SINGLE_QUOTED",
        "BAD_NUMBER",
        "DOTTED_NAME",
        "FOREIGN_NAME",
        "FOREIGN_OPERATOR",
        "STRAY",
    )

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return stream


class Tables:
    """What is made from the grammar once per process."""

    def __init__(self) -> None:
        self.builder = Builder()
        self.lark = Lark(
            files("resdsl.syntax").joinpath("grammar.lark").read_text(encoding="utf-8"),
            parser="lalr",
            lexer="basic",
            start=[MODULE, HOLE],
            transformer=self.builder,
            postlex=_Kept(),
            keep_all_tokens=True,
        )
        self._lexer = BasicLexer(self.lark.lexer_conf)
        words = {
            terminal.pattern.value: terminal.name
            for terminal in self.lark.terminals
            if terminal.pattern.type == "str" and terminal.pattern.value.isidentifier()
        }
        self.keywords: dict[str, str] = words
        """The terminal of each keyword."""

    def lex(self, text: str) -> Iterator[Token]:
        """All tokens of a text but blanks. Never fails: text that is nothing makes tokens too."""
        stream: Iterator[Token] = LexerThread.from_text(self._lexer, text).lex(None)  # type: ignore[no-untyped-call]
        return stream


@cache
def tables() -> Tables:
    """Built when first asked for."""
    return Tables()
