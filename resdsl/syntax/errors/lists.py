"""Lists whose brackets are missing or wrong: the variables of a loop, labels, the count of a repeat, a missing body."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from resdsl.diagnostics import Span
from resdsl.syntax.errors.context import ErrorContext
from resdsl.syntax.errors.describe import shortened
from resdsl.syntax.errors.explanation import Explanation, Recognizer, Repair, explanation
from resdsl.syntax.grammar import END
from resdsl.syntax.lexing import CLOSING, OPENING, inserted, make_token, retyped
from resdsl.syntax.token import Token

_ENDS_A_STATEMENT = frozenset({"NEWLINE", "SEMICOLON", "RBRACE", END})
_VALUES = frozenset({"NAME", "INT"})
_IN_A_COUNT = frozenset({
    "NAME", "INT", "PLUS", "MINUS", "STAR", "SLASH", "DOUBLE_SLASH", "PERCENT", "LSQB", "RSQB", "LPAR", "RPAR", "COMMA",
})  # fmt: skip


def _variables_of_a_loop(context: ErrorContext) -> Explanation | None:
    """``for t, c in rows {``, ``for [t, c] in rows {``."""
    first = context.head + 1
    if context.tokens[context.head].kind != "FOR" or not first <= context.position <= first + 1:
        return None
    end = _position_of(context, "in", first)
    if end is None:
        return None
    inner = context.tokens[first:end]
    if inner and inner[0].kind == "LSQB" and inner[-1].kind == "RSQB":
        inner = inner[1:-1]
    names = [token for token in inner if token.kind != "COMMA"]
    if not names or not all(token.isidentifier() for token in names):
        return None
    written = context.source.span(context.tokens[first].start, context.tokens[end - 1].end)
    text = f"({', '.join(names)})"
    suggestion = f"write `for {shortened(text)} in ...`"
    tokens = [retyped(token, "NAME" if token.isidentifier() else token.kind) for token in inner]
    return explanation(
        "the variables of a loop over rows need parentheses",
        written,
        helps=(suggestion,),
        fix=(suggestion, [(written, text)]),
        repair=Repair(first, end, _in_brackets(tokens, "LPAR", "RPAR")),
    )


def _labels_without_brackets(context: ErrorContext) -> Explanation | None:
    """``labels "cat", "dog"``, ``labels ("cat", "dog")``."""
    first = context.head + 1
    if context.tokens[context.head].kind != "LABELS" or context.kind != "COMMA":
        return None
    end = context.position
    while context.tokens[end].kind not in _ENDS_A_STATEMENT:
        end += 1
    inner = context.tokens[first:end]
    start, stop = inner[0], inner[-1]
    if start.kind == "LPAR" and stop.kind == "RPAR":
        edits = [(context.span(start), "["), (context.span(stop), "]")]
        inner = inner[1:-1]
    else:
        edits = [(_empty(context, start.start), "["), (_empty(context, stop.end), "]")]
    if not all(token.kind in {"STRING", "COMMA"} for token in inner):
        return None
    return explanation(
        "several labels are a list",
        context.source.span(start.start, stop.end),
        helps=('write `labels ["cat", "dog"]`',),
        fix=("put them in square brackets", edits),
        repair=Repair(first, end, _in_brackets(inner, "LSQB", "RSQB")),
    )


def _count_without_parentheses(context: ErrorContext) -> Explanation | None:
    """``widths[i] x unit(16)``, ``n - 1 x unit(16)``."""
    if context.at_top or context.tokens[context.head].kind not in {"NAME", "INT"}:
        return None
    end = _position_of(context, "x", context.position)
    if end is None or end == context.position:
        return None
    following = context.tokens[end + 1]
    count = context.tokens[context.head : end]
    depth = sum(token.kind in OPENING for token in count) - sum(token.kind in CLOSING for token in count)
    if not (following.isidentifier() or following.kind == "LBRACE") or depth:
        return None
    if any(before.kind in _VALUES and token.kind in _VALUES for before, token in pairwise(count)):
        return None
    if not all(token.kind in _IN_A_COUNT for token in count) or count[-1].kind not in {"NAME", "INT", "RSQB", "RPAR"}:
        return None
    span = context.source.span(count[0].start, count[-1].end)
    suggestion = f"write `({shortened(span.text)}) x ...`"
    return explanation(
        "a computed count needs parentheses",
        span,
        helps=(suggestion,),
        fix=(suggestion, [(_empty(context, span.start), "("), (_empty(context, span.end), ")")]),
        repair=Repair(context.head, end + 1, (*_in_brackets(count, "LPAR", "RPAR"), retyped(context.tokens[end], "X"))),
    )


def _from_without_a_body(context: ErrorContext) -> Explanation | None:
    """``from early``."""
    if context.tokens[context.head].kind != "FROM" or context.position != context.head + 2:
        return None
    if context.kind not in _ENDS_A_STATEMENT:
        return None
    tap = context.tokens[context.head + 1]
    here = context.token
    return explanation(
        f"`from {shortened(tap)}` needs a body",
        context.source.span(context.tokens[context.head].start, tap.end),
        "expected `{` after it",
        helps=(
            f"write `from {shortened(tap)} {{ identity }}` for the value itself",
            "or write the layers that continue from it in the braces",
        ),
        fix=("write the body", [(context.after_previous, " { identity }")]),
        repair=Repair(
            context.position,
            context.position,
            (inserted("LBRACE", "{", here), inserted("NAME", "identity", here), inserted("RBRACE", "}", here)),
        ),
    )


def _position_of(context: ErrorContext, word: str, start: int) -> int | None:
    """The position of a word in the statement, outside of brackets in it."""
    depth = 0
    for position in range(start, len(context.tokens)):
        token = context.tokens[position]
        if depth <= 0 and (token.kind in _ENDS_A_STATEMENT or token.kind == "LBRACE"):
            return None
        if depth <= 0 and token == word:
            return position
        depth += (token.kind in OPENING) - (token.kind in CLOSING)
    return None


def _in_brackets(tokens: Sequence[Token], opening: str, closing: str) -> tuple[Token, ...]:
    return (
        inserted(opening, "", tokens[0]),
        *tokens,
        make_token(closing, "", tokens[-1].end, tokens[-1]),
    )


def _empty(context: ErrorContext, offset: int) -> Span:
    return context.source.span(offset, offset)


RECOGNIZERS: tuple[Recognizer, ...] = (
    _variables_of_a_loop,
    _labels_without_brackets,
    _count_without_parentheses,
    _from_without_a_body,
)
"""In the order in which they are tried."""
