"""Errors in arguments and expressions."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.syntax.errors.context import ErrorContext
from resdsl.syntax.errors.describe import described, shortened
from resdsl.syntax.errors.explanation import Explanation, Recognizer, Repair, explanation, replace_token
from resdsl.syntax.lexing import VALUE_STARTS, inserted, make_token

_ENDS_A_VALUE = frozenset({"NAME", "INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE", "RPAR", "RSQB", "BAD_VALUE"})


def _size_with_blanks(context: ErrorContext) -> Explanation | None:
    """``conv(64, 3 x 3)``."""
    previous, following = context.previous, context.after()
    if previous is None or previous.kind != "INT" or context.token not in {"x", "X"} or following.kind != "INT":
        return None
    if context.accepts("X"):
        return None
    whole = context.span(previous).to(context.span(following))
    text = f"{previous}x{following}"
    return explanation(
        "a size is written without spaces",
        whole,
        code=catalogue.BAD_NUMBER,
        helps=(f"write `{text}`",),
        fix=(f"write `{text}`", [(whole, text)]),
        repair=Repair(context.position, context.position + 2),
    )


def _size_as_pair(context: ErrorContext) -> Explanation | None:
    """``conv(64, (3, 3))``."""
    previous, following = context.previous, context.after()
    if context.kind != "COMMA" or previous is None or previous.kind != "INT" or following.kind != "INT":
        return None
    first = context.position - 2
    opening, closing = context.tokens[first], context.after(2)
    if first < context.start or opening.kind != "LPAR" or closing.kind != "RPAR":
        return None
    whole = context.span(opening).to(context.span(closing))
    text = f"{previous}x{following}"
    return explanation(
        f"a size is written `{shortened(text)}`",
        whole,
        helps=(f"write `{shortened(text)}`",),
        fix=(f"write `{shortened(text)}`", [(whole, text)]),
        repair=Repair(first, context.position + 3, (make_token("SIZE", text, opening.start, opening),)),
    )


def _colon_for_equals(context: ErrorContext) -> Explanation | None:
    """``conv(64, stride: 2)``, ``const width: 64``."""
    previous = context.previous
    if context.kind != "COLON" or previous is None or previous.kind != "NAME" or not context.accepts("EQUAL"):
        return None
    blank = context.source.span(previous.end, context.after().start)
    if context.after(2).kind == "EQUAL":
        annotation = context.source.span(previous.end, context.after().end)
        return explanation(
            "only the parameters of a block or model have types",
            context.here.to(context.span(context.after())),
            helps=(f"write `{shortened(previous)} = ...`",),
            fix=("remove the type", [(annotation, "")]),
            repair=Repair(context.position, context.position + 2),
        )
    return explanation(
        f"the value of `{shortened(previous)}` is given with `=`",
        context.here,
        helps=(f"write `{shortened(previous)} = {described(context.after()).strip('`')}`",),
        fix=("write `=`", [(blank, " = ")]),
        repair=replace_token(context, "EQUAL"),
    )


def _equals_for_comparison(context: ErrorContext) -> Explanation | None:
    """``expect macs = 3``, ``if a = b {``; and ``const a == 3``."""
    if context.kind == "EQUAL" and context.accepts("EQUALITY"):
        kind, right, what = "EQUALITY", "==", "values are compared with `==`"
    elif context.kind == "EQUALITY" and context.accepts("EQUAL"):
        kind, right, what = "EQUAL", "=", "a value is given with `=`"
    else:
        return None
    return explanation(
        what,
        context.here,
        helps=(f"write `{right}`",),
        fix=(f"write `{right}`", [(context.here, right)]),
        repair=replace_token(context, kind),
    )


def _claim_without_equality(context: ErrorContext) -> Explanation | None:
    """``expect macs < 3G``."""
    if context.kind != "OTHER_ORDER" or not context.accepts("ORDER"):
        return None
    meant = {"<": "<=", ">": ">="}.get(str(context.token))
    return explanation(
        f"a claim cannot be made with `{context.token}`",
        context.here,
        helps=("`expect` takes `==`, `<=` and `>=`",),
        fix=(f"write `{meant}`", [(context.here, meant)]) if meant else None,
        repair=replace_token(context, "ORDER"),
    )


def _needless_comma(context: ErrorContext) -> Explanation | None:
    """``conv(64,, 3x3)``, ``conv(, 64)``."""
    if context.kind != "COMMA" or context.bracket is None or context.previous is None:
        return None
    if context.previous.kind not in {"COMMA", "LPAR", "LSQB", "LBRACE"}:
        return None
    return explanation(
        "a value is missing before this comma",
        context.here,
        helps=("remove the comma, or write the value",),
        fix=("remove the comma, or write the value", [(context.here, "")]),
        repair=Repair(context.position, context.position + 1),
    )


def _missing_comma(context: ErrorContext) -> Explanation | None:
    """``conv(64 3x3)``."""
    previous = context.previous
    if context.bracket is None or previous is None or previous.kind not in _ENDS_A_VALUE:
        return None
    if context.kind not in VALUE_STARTS or not (context.accepts("COMMA", context.kind) or context.kind == "LABEL"):
        return None
    opening = context.span(context.bracket)
    if previous.kind == "NAME" and context.accepts("EQUAL"):
        return explanation(
            f"expected `=` or `,` between {described(previous)} and {described(context.token)}",
            context.here,
            code=catalogue.MISSING_COMMA,
            helps=(
                f"write `{shortened(previous)} = {shortened(context.token)}` to give an argument by name",
                f"write `{shortened(previous)}, {shortened(context.token)}` for two arguments",
            ),
            repair=Repair(context.position, context.position, (inserted("EQUAL", "=", context.token),)),
        )
    return explanation(
        f"expected `,` between {described(previous)} and {described(context.token)}",
        context.here,
        code=catalogue.MISSING_COMMA,
        secondary=[(opening, "inside of this bracket")] if opening.position.line != context.here.position.line else [],
        fix=("divide the values by a comma", [(context.after_previous, ",")]),
        repair=Repair(context.position, context.position, (inserted("COMMA", ",", context.token),)),
    )


RECOGNIZERS: tuple[Recognizer, ...] = (
    _size_with_blanks,
    _size_as_pair,
    _colon_for_equals,
    _equals_for_comparison,
    _claim_without_equality,
    _needless_comma,
    _missing_comma,
)
"""In the order in which they are tried."""
