"""Checks that brackets match, before parsing; `errors.bracket_repair` reports and fixes those that do not."""

from __future__ import annotations

from itertools import pairwise

from resdsl.diagnostics import Diagnostic, Label, Source, catalogue
from resdsl.syntax.error_log import ErrorLog
from resdsl.syntax.lexing import CLOSING, OPENING
from resdsl.syntax.token import Token

MAX_BRACE_DEPTH = 50
MAX_BRACKET_DEPTH = 100

_STARTS_A_DEFINITION = frozenset({"MODEL", "BLOCK", "USE"})


def balance(tokens: list[Token], source: Source, log: ErrorLog) -> list[Token] | None:
    """The tokens with matching brackets; ``None`` if they nest too deep."""
    too_deep = _too_deep(tokens)
    if too_deep is not None:
        log.report(too_deep_error(too_deep, source))
        return None
    if _is_balanced(tokens):
        return tokens
    from resdsl.syntax.errors.bracket_repair import repair  # most texts have no errors

    balanced: list[Token] = []
    for segment in _definitions(tokens):
        balanced += segment if _is_balanced(segment) else repair(segment, source, log)
    return balanced


def too_deep_error(token: Token, source: Source) -> Diagnostic:
    """The error for a bracket beyond the nesting limit."""
    limit = MAX_BRACE_DEPTH if token.kind == "LBRACE" else MAX_BRACKET_DEPTH
    suggestion = "move the inner part into a `block`" if token.kind == "LBRACE" else "name parts of it with `const`"
    return Diagnostic(
        catalogue.LIMIT,
        f"brackets nest deeper than {limit} levels here",
        Label(source.span(token.start, token.end)),
        helps=(suggestion,),
    )


def _too_deep(tokens: list[Token]) -> Token | None:
    braces = brackets = 0
    for token in tokens:
        if token.kind == "LBRACE":
            braces += 1
        elif token.kind == "RBRACE":
            braces = max(0, braces - 1)
        elif token.kind in OPENING:
            brackets += 1
        elif token.kind in CLOSING:
            brackets = max(0, brackets - 1)
        else:
            continue
        if braces > MAX_BRACE_DEPTH or brackets > MAX_BRACKET_DEPTH:
            return token
    return None


def _is_balanced(tokens: list[Token]) -> bool:
    """Whether all brackets match, and no definition starts in the first column inside a bracket."""
    expected: list[str] = []
    for position, token in enumerate(tokens):
        if token.kind in OPENING:
            expected.append(OPENING[token.kind])
        elif token.kind in CLOSING:
            if not expected or expected.pop() != token.kind:
                return False
        elif expected and _begins_definition(tokens, position):
            return False
    return not expected


def _begins_definition(tokens: list[Token], position: int) -> bool:
    return (
        tokens[position].kind in _STARTS_A_DEFINITION
        and tokens[position].column == 1
        and position + 1 < len(tokens)
        and tokens[position + 1].kind in {"NAME", "STRING"}
    )


def _definitions(tokens: list[Token]) -> list[list[Token]]:
    """The tokens, split before each definition that starts in the first column."""
    starts = [position for position in range(len(tokens)) if _begins_definition(tokens, position)]
    bounds = [0, *[start for start in starts if start], len(tokens)]
    return [tokens[start:end] for start, end in pairwise(bounds)]
