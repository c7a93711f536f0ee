"""Mistakes in arguments and expressions."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.syntax.lexing import VALUE_STARTS, inserted
from resdsl.syntax.mistakes.explanation import Explanation, Recognizer, Repair, error, replace_token
from resdsl.syntax.place import Place
from resdsl.syntax.wording import found, shown

_ENDS_A_VALUE = frozenset({"NAME", "INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE", "RPAR", "RSQB", "BAD_VALUE"})


def _size_with_blanks(place: Place) -> Explanation | None:
    """``conv(64, 3 x 3)``."""
    previous, following = place.previous, place.after()
    if previous is None or previous.kind != "INT" or place.token not in {"x", "X"} or following.kind != "INT":
        return None
    if place.accepts("X"):
        return None
    whole = place.span(previous).to(place.span(following))
    text = f"{previous}x{following}"
    return Explanation(
        error(
            "a size is written without blanks",
            whole,
            code=catalogue.BAD_NUMBER,
            helps=(f"write `{text}`",),
            fix=(f"write `{text}`", [(whole, text)]),
        ),
        Repair(place.position, place.position + 2),
    )


def _colon_for_equals(place: Place) -> Explanation | None:
    """``conv(64, stride: 2)``, ``const width: 64``."""
    previous = place.previous
    if place.kind != "COLON" or previous is None or previous.kind != "NAME" or not place.accepts("EQUAL"):
        return None
    blank = place.source.span(previous.end, place.after().start)
    if place.after(2).kind == "EQUAL":
        annotation = place.source.span(previous.end, place.after().end)
        return Explanation(
            error(
                "only the parameters of a block or model have types",
                place.here.to(place.span(place.after())),
                helps=(f"write `{shown(previous)} = ...`",),
                fix=("remove the type", [(annotation, "")]),
            ),
            Repair(place.position, place.position + 2),
        )
    return Explanation(
        error(
            f"the value of `{shown(previous)}` is given with `=`",
            place.here,
            helps=(f"write `{shown(previous)} = {found(place.after()).strip('`')}`",),
            fix=("write `=`", [(blank, " = ")]),
        ),
        replace_token(place, "EQUAL"),
    )


def _equals_for_comparison(place: Place) -> Explanation | None:
    """``expect macs = 3``, ``if a = b {``; and ``const a == 3``."""
    if place.kind == "EQUAL" and place.accepts("EQUALITY"):
        kind, right, what = "EQUALITY", "==", "values are compared with `==`"
    elif place.kind == "EQUALITY" and place.accepts("EQUAL"):
        kind, right, what = "EQUAL", "=", "a value is given with `=`"
    else:
        return None
    return Explanation(
        error(what, place.here, helps=(f"write `{right}`",), fix=(f"write `{right}`", [(place.here, right)])),
        replace_token(place, kind),
    )


def _claim_without_equality(place: Place) -> Explanation | None:
    """``expect macs < 3G``."""
    if place.kind != "OTHER_ORDER" or not place.accepts("ORDER"):
        return None
    meant = {"<": "<=", ">": ">="}.get(str(place.token))
    return Explanation(
        error(
            f"a claim cannot be made with `{place.token}`",
            place.here,
            helps=("`expect` takes `==`, `<=` and `>=`",),
            fix=(f"write `{meant}`", [(place.here, meant)]) if meant else None,
        ),
        replace_token(place, "ORDER"),
    )


def _needless_comma(place: Place) -> Explanation | None:
    """``conv(64,, 3x3)``, ``conv(, 64)``."""
    if place.kind != "COMMA" or place.bracket is None or place.previous is None:
        return None
    if place.previous.kind not in {"COMMA", "LPAR", "LSQB", "LBRACE"}:
        return None
    return Explanation(
        error(
            "a value is missing before this comma",
            place.here,
            helps=("remove the comma, or write the value",),
            fix=("remove the comma, or write the value", [(place.here, "")]),
        ),
        Repair(place.position, place.position + 1),
    )


def _missing_comma(place: Place) -> Explanation | None:
    """``conv(64 3x3)``."""
    previous = place.previous
    if place.bracket is None or previous is None or previous.kind not in _ENDS_A_VALUE:
        return None
    if place.kind not in VALUE_STARTS or not (place.accepts("COMMA", place.kind) or place.kind == "LABEL"):
        return None
    opening = place.span(place.bracket)
    if previous.kind == "NAME" and place.accepts("EQUAL"):
        return Explanation(
            error(
                f"expected `=` or `,` between {found(previous)} and {found(place.token)}",
                place.here,
                code=catalogue.MISSING_COMMA,
                helps=(
                    f"write `{shown(previous)} = {shown(place.token)}` to give an argument by name",
                    f"write `{shown(previous)}, {shown(place.token)}` for two arguments",
                ),
            ),
            Repair(place.position, place.position, (inserted("EQUAL", "=", place.token),)),
        )
    return Explanation(
        error(
            f"expected `,` between {found(previous)} and {found(place.token)}",
            place.here,
            code=catalogue.MISSING_COMMA,
            secondary=[(opening, "inside of this bracket")]
            if opening.position.line != place.here.position.line
            else [],
            fix=("divide the values by a comma", [(place.behind, ",")]),
        ),
        Repair(place.position, place.position, (inserted("COMMA", ",", place.token),)),
    )


RECOGNIZERS: tuple[Recognizer, ...] = (
    _size_with_blanks,
    _colon_for_equals,
    _equals_for_comparison,
    _claim_without_equality,
    _needless_comma,
    _missing_comma,
)
"""In the order in which they are asked."""
