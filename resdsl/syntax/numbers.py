"""The values of number and size literals."""

from __future__ import annotations

import math

MAX_DIGITS = 40
"""Far more than any network needs. Python refuses to convert more than 4,300."""

_SUFFIXES = {"k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9}


def number_value(text: str) -> int | float | None:
    """The value of ``1_000``, ``0.17``, ``1e-3`` or ``11.51G``; ``None`` if it is too long or too large.

    It is an ``int`` if it is written without point and exponent, or if its suffix makes it an integer.
    """
    if len(text) > MAX_DIGITS:
        return None
    digits = text.replace("_", "")
    if scale := _SUFFIXES.get(digits[-1]):
        integer, _, decimals = digits[:-1].partition(".")
        scaled = int(integer + decimals) * scale
        parts: int = 10 ** len(decimals)
        return scaled // parts if scaled % parts == 0 else scaled / parts
    if digits.isdigit():
        return int(digits)
    value = float(digits)
    return value if math.isfinite(value) else None


def size_value(text: str) -> tuple[int, int] | None:
    """Height and width of ``3x3``; ``None`` if it is too long."""
    if len(text) > MAX_DIGITS:
        return None
    height, width = text.split("x")
    return int(height), int(width)
