"""Repeats that are not written ``3 x block(...)``."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.syntax.errors.context import ErrorContext
from resdsl.syntax.errors.describe import described, shortened
from resdsl.syntax.errors.explanation import Explanation, Recognizer, Repair, explanation, replace_token
from resdsl.syntax.lexing import inserted


def _repeat(context: ErrorContext) -> Explanation | None:
    """``3 * bottleneck(64)``, ``3 bottleneck(64)``, ``3 x``."""
    previous = context.previous
    if previous is None:
        return None
    if previous.kind == "X":
        return _repeat_of_what(context)
    if not context.accepts("X"):
        return None
    count = shortened(context.source.text[context.tokens[context.head].start : previous.end])
    if context.kind == "STAR" or context.token == "X":
        return explanation(
            "a repeat is written with `x`",
            context.here,
            helps=(f"write `{count} x {described(context.after()).strip('`')}`",),
            fix=("write `x`", [(context.here, "x")]),
            repair=replace_token(context, "X"),
        )
    if previous.kind == "NAME" or not context.token.isidentifier():
        return None
    helps = [f"write `{count} x {shortened(context.token)}` to repeat it"]
    if previous.kind == "INT" and context.head == context.start:
        helps.append(f"write `{count}: {shortened(context.token)}` to label it")
    return explanation(
        f"expected `x` or `:` between `{count}` and `{shortened(context.token)}`",
        context.here,
        code=catalogue.MISSING_SEPARATOR,
        helps=helps,
        repair=Repair(context.position, context.position, (inserted("X", "x", context.token),)),
    )


def _repeat_of_what(context: ErrorContext) -> Explanation:
    count = shortened(
        context.source.text[context.tokens[context.head].start : context.tokens[context.position - 1].end]
    )
    return explanation(
        f"expected the call of a block or a body after `{count}`",
        context.here,
        f"found {described(context.token)}",
        helps=(f"write `{count} bottleneck(64)`, or `{count} {{ ... }}`",),
    )


def _count_behind(context: ErrorContext) -> Explanation | None:
    """``bottleneck(64) * 3``."""
    previous, count = context.previous, context.after()
    if context.at_top or previous is None or context.bracket is not None or previous.kind not in {"RPAR", "NAME"}:
        return None
    if not (context.kind == "STAR" or context.token == "x") or count.kind != "INT" or context.accepts("STAR"):
        return None
    call = context.source.span(context.tokens[context.head].start, previous.end)
    whole = context.source.span(call.start, count.end)
    return explanation(
        "the count of a repeat comes first",
        context.here.to(context.span(count)),
        helps=(f"write `{count} x {shortened(call.text)}`",),
        fix=("put the count first", [(whole, f"{count} x {call.text}")]),
    )


def _lonely_number(context: ErrorContext) -> Explanation | None:
    """``64``, ``x: 64``."""
    previous = context.previous
    if previous is None or previous.kind != "INT" or context.position != context.head + 1 or not context.accepts("X"):
        return None
    return explanation(
        f"the number `{shortened(previous)}` is no statement",
        context.span(previous),
        helps=(f"a repeat is `{shortened(previous)} x block(...)`, a label `{shortened(previous)}: ...`",),
        is_certain=False,
    )


RECOGNIZERS: tuple[Recognizer, ...] = (
    _repeat,
    _count_behind,
    _lonely_number,
)
"""In the order in which they are tried."""
