"""Repeats that are not written ``3 x block(...)``."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.syntax.lexing import inserted
from resdsl.syntax.mistakes.explanation import Explanation, Recognizer, Repair, error, replace_token
from resdsl.syntax.place import Place
from resdsl.syntax.wording import found, shown


def _repeat(place: Place) -> Explanation | None:
    """``3 * bottleneck(64)``, ``3 bottleneck(64)``, ``3 x``, ``3 x { ... }``."""
    previous = place.previous
    if previous is None:
        return None
    if previous.kind == "X":
        return _repeat_of_what(place)
    if not place.accepts("X"):
        return None
    count = shown(place.source.text[place.tokens[place.head].start : previous.end])
    if place.kind == "STAR" or place.token == "X":
        return Explanation(
            error(
                "a repeat is written with `x`",
                place.here,
                helps=(f"write `{count} x {found(place.after()).strip('`')}`",),
                fix=("write `x`", [(place.here, "x")]),
            ),
            replace_token(place, "X"),
        )
    if previous.kind == "NAME" or not place.token.isidentifier():
        return None
    helps = [f"write `{count} x {shown(place.token)}` to repeat it"]
    if previous.kind == "INT" and place.head == place.start:
        helps.append(f"write `{count}: {shown(place.token)}` to label it")
    return Explanation(
        error(
            f"expected `x` or `:` between `{count}` and `{shown(place.token)}`",
            place.here,
            code=catalogue.MISSING_SEPARATOR,
            helps=helps,
        ),
        Repair(place.position, place.position, (inserted("X", "x", place.token),)),
    )


def _repeat_of_what(place: Place) -> Explanation:
    count = shown(place.source.text[place.tokens[place.head].start : place.tokens[place.position - 1].end])
    if place.kind == "LBRACE":
        return Explanation(
            error(
                "a repeat takes the call of a block, not a body",
                place.here,
                helps=(f"make the body a `block` and write `{count} name(...)`, or `for i in 1..n {{ ... }}`",),
            )
        )
    return Explanation(
        error(
            f"expected the call of a block behind `{count}`",
            place.here,
            f"found {found(place.token)}",
            helps=(f"write `{count} bottleneck(64)`",),
        )
    )


def _count_behind(place: Place) -> Explanation | None:
    """``bottleneck(64) * 3``."""
    previous, count = place.previous, place.after()
    if place.at_top or previous is None or place.bracket is not None or previous.kind not in {"RPAR", "NAME"}:
        return None
    if not (place.kind == "STAR" or place.token == "x") or count.kind != "INT" or place.accepts("STAR"):
        return None
    call = place.source.span(place.tokens[place.head].start, previous.end)
    whole = place.source.span(call.start, count.end)
    return Explanation(
        error(
            "the count of a repeat comes first",
            place.here.to(place.span(count)),
            helps=(f"write `{count} x {shown(call.text)}`",),
            fix=("put the count first", [(whole, f"{count} x {call.text}")]),
        )
    )


def _lonely_number(place: Place) -> Explanation | None:
    """``64``, ``x: 64``."""
    previous = place.previous
    if previous is None or previous.kind != "INT" or place.position != place.head + 1 or not place.accepts("X"):
        return None
    return Explanation(
        error(
            f"the number `{shown(previous)}` is no statement",
            place.span(previous),
            helps=(f"a repeat is `{shown(previous)} x block(...)`, a label `{shown(previous)}: ...`",),
        ),
        is_certain=False,
    )


RECOGNIZERS: tuple[Recognizer, ...] = (
    _repeat,
    _count_behind,
    _lonely_number,
)
"""In the order in which they are asked."""
