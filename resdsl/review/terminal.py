"""A review for a terminal: changes with signs and colours, totals, weights, and a one-line summary at the end."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from resdsl.review.checkpoint import Fit
from resdsl.review.review import Review
from resdsl.review.sentences import (
    ChangeText,
    TotalsRow,
    describe_change,
    note_text,
    one_line,
    totals_table,
    verdict_line,
    weights_line,
    weights_notes,
)

_COLORS = {"+": "32", "-": "31", "~": "33", ">": "36", "=": "36"}
_INDENT = "    "


def render_text(review: Review, *, color: bool = False, width: int | None = None) -> str:
    """The review as text that ends with a newline. Lines are wrapped to ``width`` if it is given."""
    paint = _Paint(color)
    lines: list[str] = [paint(one_line(_title(review)), "1")]
    if review.forms:
        lines += [
            "",
            "in another form:",
            *(line for form in review.forms for line in _wrapped(form, width, _INDENT, "  ")),
        ]
    for change in review.changes:
        lines += ["", *_change(describe_change(change, review.old.totals), paint, width)]
    if review.is_architectural:
        lines += ["", *_table(totals_table(review), paint)]
    if review.is_architectural or not review.checkpoint.is_compatible:
        lines += ["", *_weights(review, paint, width)]
    lines += ["", paint(one_line(verdict_line(review)), "1")]
    return "".join(f"{line}\n" for line in lines)


class _Paint:
    def __init__(self, color: bool) -> None:
        self._color = color

    def __call__(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._color and style else text


def _title(review: Review) -> str:
    old, new = review.old, review.new
    if old.name != new.name:
        return f"{old.name} -> {new.name}"
    return f"{new.name}: {old.source} -> {new.source}"


def _change(change: ChangeText, paint: _Paint, width: int | None) -> Iterator[str]:
    style = _COLORS[change.sign]
    first, *rest = _wrapped(change.headline, width, "  ")
    yield f"{paint(change.sign, style)} {paint(first, style)}"
    yield from (paint(line, style) for line in rest)
    if change.where:
        yield from (paint(line, "2") for line in _wrapped(change.where, width, _INDENT, _INDENT))
    for sign, text in change.details:
        first, *rest = _wrapped(text, width, f"{_INDENT}  ")
        yield f"{_INDENT}{paint(sign, _COLORS.get(sign, ''))} {first}"
        yield from rest
    if change.follows:
        yield from (paint(line, "2") for line in _wrapped(change.follows, width, _INDENT, _INDENT))
    if change.cost:
        yield from _wrapped(change.cost, width, _INDENT, _INDENT)


def _wrapped(text: str, width: int | None, indent: str, first: str = "") -> list[str]:
    text = one_line(text)
    if width is None:
        return [first + text]
    return textwrap.wrap(
        text,
        max(width - 1, 30),
        initial_indent=first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _table(table: Sequence[TotalsRow], paint: _Paint) -> Iterator[str]:
    """The totals in columns, without long values that are equal in both networks."""
    shown = [row for row in table if row.changed or row.name not in ("receptive field", "outputs")]
    wide = [row for row in shown if row.name == "outputs"]
    cells = [(row.name, one_line(row.old), one_line(row.new), row.difference) for row in shown if row not in wide]
    widths = [max(len(row[column]) for row in cells) for column in range(3)]
    for name, old, new, difference in cells:
        last = difference if difference == "same" else paint(difference, "1")
        yield f"{name.ljust(widths[0])}  {old.rjust(widths[1])} -> {new.rjust(widths[2])}  {last}".rstrip()
    for row in wide:
        yield f"{row.name.ljust(widths[0])}  {one_line(row.old)} -> {one_line(row.new)}"


def _weights(review: Review, paint: _Paint, width: int | None) -> Iterator[str]:
    verdict = review.checkpoint
    loud = bool(verdict.silent or verdict.misplaced)
    style = "1;31" if loud else "32" if verdict.fit is Fit.FULLY else "33"
    yield paint(weights_line(review), style)
    for note in weights_notes(review):
        yield from _wrapped(note_text(note), width, _INDENT, "  ")
