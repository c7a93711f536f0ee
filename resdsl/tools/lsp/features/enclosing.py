"""The call whose arguments a place is in, found by its tokens: the text may be half written."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.syntax.lexing import CLOSING, OPENING
from resdsl.syntax.token import Token
from resdsl.tools.lsp.analysis import Analysis


@dataclass(frozen=True, slots=True)
class Enclosing:
    """``callee`` and the arguments before the place.

    ``named`` are those that were given by name, ``position`` counts the commas before, ``name`` is that of the argument
    at the place (empty: by position).
    """

    callee: str
    position: int
    named: frozenset[str]
    name: str


def enclosing_call(analysis: Analysis, offset: int) -> Enclosing | None:
    """The innermost call, operator, stage or ``use`` in whose parentheses a place is."""
    tokens = _before(analysis, offset)
    depth = 0
    for index in range(len(tokens) - 1, -1, -1):
        token = tokens[index]
        if token.kind in CLOSING:
            depth += 1
        elif token.kind in OPENING:
            if depth:
                depth -= 1
                continue
            if token.kind != "LPAR" or index == 0 or not _is_name(tokens[index - 1]):
                return None
            callee = str(tokens[index - 1])
            if index > 1 and str(tokens[index - 2]) == "stage":
                callee = f"stage {callee}"
            return _arguments(callee, tokens[index + 1 :])
    return None


def _arguments(callee: str, tokens: list[Token]) -> Enclosing:
    named: set[str] = set()
    position, depth, name = 0, 0, ""
    for index, token in enumerate(tokens):
        if token.kind in OPENING:
            depth += 1
        elif token.kind in CLOSING:
            depth -= 1
        elif depth == 0 and token.kind == "COMMA":
            position, name = position + 1, ""
        elif depth == 0 and token.kind == "EQUAL" and index and _is_name(tokens[index - 1]):
            name = str(tokens[index - 1])
            named.add(name)
    return Enclosing(callee, position, frozenset(named), name)


def _before(analysis: Analysis, offset: int) -> list[Token]:
    return [token for token in analysis.tokens if token.end <= offset]


def _is_name(token: Token) -> bool:
    return token.replace("_", "a").isalnum() and not token[0].isdigit()
