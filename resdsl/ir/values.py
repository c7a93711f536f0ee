"""Values of the language: how a value becomes what an argument takes, and how it is written back.

Every argument (of an operator, a block, a model, a preprocessing step) is checked by the functions here. Each returns
the converted value, or raises ``ArgumentMismatch`` with what it expects, in words that follow "must be".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cache

from resdsl.ir.operator import Operator
from resdsl.ir.types import Sides, Size, Word

LARGEST_SIZE = 2**20
"""Of a window, a step or a dilation, in pixels: no image is larger, and no check of a window takes long."""

LARGEST_NUMBER = (2 - 2**-23) * 2.0**127
"""The largest 32-bit float (IEEE 754): the precision of all computations."""


class ArgumentMismatch(Exception):
    """A value that an argument does not take; ``expected`` says what it does take, for the message."""

    def __init__(self, expected: str, *, out_of_range: bool = False) -> None:
        super().__init__(expected)
        self.expected = expected
        self.out_of_range = out_of_range


def to_integer(value: object, at_least: int | None = None, at_most: int | None = None) -> int:
    expected = "an integer"
    if at_least is not None:
        expected += f" of at least {at_least:,}" if at_most is None else f" from {at_least:,} to {at_most:,}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise ArgumentMismatch(expected)
    if (at_least is not None and value < at_least) or (at_most is not None and value > at_most):
        raise ArgumentMismatch(expected, out_of_range=True)
    return value


def to_number(value: object, within: tuple[float, float] = (-math.inf, math.inf)) -> float:
    low, high = within
    expected = describe_range(within)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentMismatch(f"a {expected}")
    # NaN fails here, and an integer too large for a float is compared before it is converted.
    if not low <= value <= high:
        raise ArgumentMismatch(f"a {expected}", out_of_range=True)
    if not abs(value) <= LARGEST_NUMBER:
        raise ArgumentMismatch(f"a {expected} that a 32-bit float can hold", out_of_range=True)
    return float(value)


def describe_range(within: tuple[float, float]) -> str:
    """``number from 0 to 1``."""
    low, high = within
    words = "number" if low == -math.inf else f"number from {low:g}"
    return words if high == math.inf else f"{words} to {high:g}"


def to_boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ArgumentMismatch("true or false")
    return value


def to_size(value: object, at_least: int = 1) -> Size:
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


def to_sides(value: object) -> Sides:
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


def to_string(value: object) -> str:
    if not isinstance(value, str) or isinstance(value, Word):
        raise ArgumentMismatch("a string")
    return value


def to_list(value: object) -> tuple[object, ...]:
    if not isinstance(value, tuple) or isinstance(value, Size):
        raise ArgumentMismatch("a list")
    return value


@cache
def to_word(words: tuple[str, ...]) -> Callable[[object], Word]:
    """A check for one of some bare words."""

    def check(value: object) -> Word:
        if isinstance(value, Word) and value in words:
            return value
        raise ArgumentMismatch(describe_choices([f"`{word}`" for word in words]))

    return check


def describe_choices(choices: Sequence[str]) -> str:
    """``a, b or c``."""
    return " or ".join(", ".join(choices).rsplit(", ", 1))


def format_value(value: object, *, shortest: bool = False) -> str:
    """A value as the language writes it. With ``shortest``, a square size is written as one number where both are read
    alike (``stride = 2``).
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # 1e-05 as people write it: 1e-5.
        return re.sub(r"e([+-])0*(\d)", lambda match: f"e{match[1].replace('+', '')}{match[2]}", repr(value))
    if isinstance(value, Size):
        return str(value.height) if shortest and value.height == value.width else str(value)
    if isinstance(value, Sides):
        if shortest and (value.top, value.left) == (value.bottom, value.right):
            return format_value(Size(value.top, value.left), shortest=True)
        return str(value)
    if isinstance(value, str) and not isinstance(value, Word):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(format_value(item, shortest=shortest) for item in value)}]"
    if isinstance(value, type) and issubclass(value, Operator):
        return value.name
    return str(value)
