"""The grammar as a Lark parser, loaded from the tables in `grammar.pickle` or built from `grammar.lark`.

Building takes about 75 ms, loading 5 ms, so the package contains a parser that was saved with `Lark.save`
(``python -m resdsl.syntax.save_grammar``). Its first line names the version of Lark and the grammar that it was made
with. If either differs, the parser is built from the grammar instead.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import lark
from lark.common import LexerConf
from lark.lexer import Lexer, LexerState

GRAMMAR = Path(__file__).with_name("grammar.lark")
SAVED = Path(__file__).with_name("grammar.pickle")

MODULE = "module"
HOLE = "hole"
END = "$END"
"""The terminal that ends a text."""

RESERVED = frozenset({"if", "else", "and", "or", "not", "true", "false"})
"""Keywords that cannot be names."""

_DEEPENING = frozenset({
    "binary", "comparison", "unary", "conditional", "index", "function_call", "list_literal", "else_if",
})  # fmt: skip
_FLAT = frozenset({"module", "body", "broken"})


class Node(lark.Tree[Any]):
    """A node of Lark's parse tree, with all its tokens, its extent in the text and the depth of its expression.

    Lark's own ``propagate_positions`` gives the extent too, but makes parsing take more than twice as long.
    """

    def __init__(self, data: str, children: list[Any], meta: object = None) -> None:
        self.data = data
        self.children = children
        self.start: int = children[0].start if children else 0
        self.end: int = 0
        for child in reversed(children):
            # `None` stands for an optional part that is missing.
            if child is not None:
                self.end = child.end
                break
        self.depth = 0
        # The list of a rule such as `_item` grows by one at a time and is part of its parent: looking at all of it here
        # would take quadratic time.
        if data[0] != "_" and data not in _FLAT:
            for child in children:
                if type(child) is Node and child.depth > self.depth:
                    self.depth = child.depth
            if data in _DEEPENING:
                self.depth += 1

    @property
    def meta(self) -> Any:
        """What Lark hands to a transformer as the position of a node."""
        return self


class InputLexer(Lexer):
    """Lets the input itself produce the tokens, as their types depend on the state of the parser and on recovery."""

    __future_interface__ = 2

    def __init__(self, conf: LexerConf) -> None:
        pass

    def lex(self, lexer_state: LexerState, parser_state: object) -> Iterator[lark.Token]:
        tokens: Any = lexer_state.text
        return iter(tokens)


class UnusedTerminals:
    """Keeps the terminals that occur in no rule: Lark drops them unless a postlexer names them."""

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

    def process(self, stream: Iterator[lark.Token]) -> Iterator[lark.Token]:
        return stream


class Grammar:
    """The parser, and what the lexer needs of its terminals."""

    def __init__(self, parser: lark.Lark) -> None:
        self.lark = parser
        # The order in which Lark's own lexer tries them.
        terminals = sorted(
            parser.lexer_conf.terminals,
            key=lambda one: (-one.priority, -one.pattern.max_width, -len(one.pattern.value), one.name),
        )
        ignored = parser.lexer_conf.ignore
        self.keywords: dict[str, str] = {
            one.pattern.value: one.name
            for one in terminals
            if one.pattern.type == "str" and one.pattern.value.isidentifier()
        }
        """The terminal of each keyword."""
        keywords = frozenset(self.keywords.values())
        self.contextual = keywords | {"LABEL"}
        """The kinds of tokens that are names, or numbers, where the parser does not accept them as what they are."""
        blanks = "|".join(one.pattern.to_regexp() for one in terminals if one.name in ignored)
        tokens = "|".join(
            f"(?P<{one.name}>{one.pattern.to_regexp()})"
            for one in terminals
            if one.name not in ignored and one.name not in keywords
        )
        self.pattern: re.Pattern[str] = re.compile(rf"(?:{blanks})*+(?:{tokens}|\Z)")
        """Matches blanks and a token, in the group named like its kind, or blanks and the end of the text, in no group.
        It matches every text from beginning to end.
        """

    @property
    def kinds(self) -> Iterable[str]:
        """All kinds of tokens that a text can contain."""
        return {*self.pattern.groupindex, *self.keywords.values()}


@cache
def grammar() -> Grammar:
    """The grammar, read at the first call."""
    return Grammar(_load() or build())


def _load() -> lark.Lark | None:
    """The saved parser, or ``None`` if it was made by another version of Lark or from another grammar."""
    with SAVED.open("rb") as file:
        return lark.Lark.load(file) if file.readline() == fingerprint() else None


def build() -> lark.Lark:
    """The parser built from the grammar; raises if it has a conflict."""
    return lark.Lark(
        GRAMMAR.read_text(encoding="utf-8"),
        parser="lalr",
        lexer=InputLexer,
        start=[MODULE, HOLE],
        postlex=UnusedTerminals(),
        keep_all_tokens=True,
        tree_class=Node,
    )


def fingerprint() -> bytes:
    """The first line of the saved parser. Line ends of the grammar do not count."""
    checksum = zlib.crc32(GRAMMAR.read_bytes().replace(b"\r\n", b"\n"))
    return f"lark {lark.__version__}, grammar {checksum:08x}\n".encode()
