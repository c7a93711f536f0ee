"""The arguments of an operator, from the fields of its dataclass, and the conversion of values of the language."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from resdsl.ir.operator import Operator
from resdsl.ir.types import Sides, Size, Word

REQUIRED = dataclasses.MISSING

LARGEST_SIZE = 2**20
"""The largest window, step or dilation, in pixels: no image is larger, and checks of windows stay fast."""

LARGEST_NUMBER = (2 - 2**-23) * 2.0**127
"""The largest 32-bit float (IEEE 754), the precision of the computation."""

SMALLEST_NUMBER = 2.0**-126
"""The smallest number above 0 that a 32-bit float holds in full precision; much smaller ones become 0."""


class ArgumentMismatch(Exception):
    """A value that an argument does not take; ``expected`` says what it does, as it goes into a message."""

    def __init__(self, expected: str, *, out_of_range: bool = False) -> None:
        super().__init__(expected)
        self.expected = expected
        self.out_of_range = out_of_range


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: its name, what it takes (``kind``, in the words of the reference), and its default."""

    name: str
    kind: str
    doc: str
    coerce: Callable[[object], object]
    default: object = REQUIRED
    words: tuple[str, ...] = ()
    """The bare words that it takes (``half``)."""

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


def _integer(value: object, at_least: int) -> int:
    expected = f"an integer of at least {at_least}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentMismatch(expected)
    if value < at_least:
        raise ArgumentMismatch(expected, out_of_range=True)
    return value


def _number(value: object, within: tuple[float, float]) -> float:
    low, high = within
    expected = _range(within)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentMismatch(f"a {expected}")
    # Infinity is not accepted. Compare before converting: an integer may be too large for a float.
    if not low <= value <= high:
        raise ArgumentMismatch(f"a {expected}", out_of_range=True)
    if not abs(value) <= LARGEST_NUMBER:
        raise ArgumentMismatch(f"a {expected} that a 32-bit float can hold", out_of_range=True)
    return float(value)


def _range(within: tuple[float, float]) -> str:
    low, high = within
    words = "number" if low == -math.inf else f"number from {low:g}"
    return words if high == math.inf else f"{words} to {high:g}"


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ArgumentMismatch("true or false")
    return value


def _size(value: object, at_least: int) -> Size:
    """An integer ``k`` stands for ``kxk``."""
    expected = f"a size such as 3x3, or an integer of at least {at_least}"
    if isinstance(value, int) and not isinstance(value, bool):
        value = Size(value, value)
    if not isinstance(value, Size):
        raise ArgumentMismatch(expected)
    if min(value) < at_least:
        raise ArgumentMismatch(expected, out_of_range=True)
    if max(value) > LARGEST_SIZE:
        raise ArgumentMismatch(f"a size of at most {LARGEST_SIZE:,}", out_of_range=True)
    return value


def arg(
    default: Any = REQUIRED,
    *,
    doc: str,
    at_least: int = 1,
    within: tuple[float, float] = (-math.inf, math.inf),
    words: tuple[str, ...] = (),
) -> Any:
    """A field that is an argument.

    ``at_least`` bounds integers and sizes, ``within`` numbers (both ends included); ``words`` are the bare words
    taken besides (or, for a ``Word`` field, instead of) values of the field's type.
    """
    metadata = {"doc": doc, "at_least": at_least, "within": within, "words": words}
    return dataclasses.field(default=default, metadata=metadata)


def _coercion(kind: str, at_least: int, within: tuple[float, float]) -> tuple[str, Callable[[object], object]]:
    """The words for a kind of argument in the reference, and its check."""
    if kind == "int":
        return f"integer, at least {at_least}", lambda value: _integer(value, at_least)
    if kind == "float":
        return _range(within), lambda value: _number(value, within)
    if kind == "bool":
        return "true or false", _flag
    if kind == "Size":
        return "size", lambda value: _size(value, at_least)
    if kind == "Sides":
        return "number, size or [top, left, bottom, right]", _sides
    if kind == "Word":
        return "", lambda value: value
    raise TypeError(f"an argument of type {kind} is not known to the language")


def _sides(value: object) -> Sides:
    """A number (all sides), a size ``1x3`` (rows, columns), or a list ``[top, left, bottom, right]``."""
    expected = "an integer of at least 0, a size such as 1x3, or [top, left, bottom, right]"
    if isinstance(value, int) and not isinstance(value, bool):
        value = Size(value, value)
    if isinstance(value, Size):
        value = (value.height, value.width, value.height, value.width)
    elif not isinstance(value, tuple) or len(value) != 4:
        raise ArgumentMismatch(expected)
    if not all(isinstance(side, int) and not isinstance(side, bool) for side in value):
        raise ArgumentMismatch(expected)
    if min(value) < 0:
        raise ArgumentMismatch(expected, out_of_range=True)
    return Sides(*value)


def _argument(field: dataclasses.Field[Any]) -> Argument:
    words: tuple[str, ...] = field.metadata["words"]
    kinds = [kind for kind in str(field.type).split(" | ") if kind not in ("None", "Word")] or ["Word"]
    kind, coerce = _coercion(kinds[0], field.metadata["at_least"], field.metadata["within"])
    if words:
        choices = " or ".join(", ".join(words).rsplit(", ", 1))
        kind = f"{kind} or {choices}" if kind else choices
        coerce = _with_words(coerce, words, kinds[0] == "Word", choices)
    return Argument(field.name, kind, field.metadata["doc"], coerce, field.default, words)


def _with_words(
    coerce: Callable[[object], object], words: tuple[str, ...], words_only: bool, choices: str
) -> Callable[[object], object]:
    def check(value: object) -> object:
        if isinstance(value, Word):
            if value in words:
                return value
            raise ArgumentMismatch(choices)
        if words_only:
            raise ArgumentMismatch(choices)
        try:
            return coerce(value)
        except ArgumentMismatch as mismatch:
            before = mismatch.expected.replace(", or ", ", ")
            raise ArgumentMismatch(f"{before}, or {choices}", out_of_range=mismatch.out_of_range) from None

    return check


_SIGNATURES: dict[type[Operator], Mapping[str, Argument]] = {}


def signature(operator: type[Operator]) -> Mapping[str, Argument]:
    """The arguments of an operator in the order of its fields."""
    known = _SIGNATURES.get(operator)
    if known is None:
        known = {field.name: _argument(field) for field in dataclasses.fields(operator) if field.metadata}
        _SIGNATURES[operator] = known
    return known
