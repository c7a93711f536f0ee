"""Numbers of a file as a person would have written them."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence


def short(number: float) -> float:
    """The number with the fewest digits that is the same 32-bit float: 9.999999747378752e-06 is 1e-5."""
    if not math.isfinite(number) or abs(number) > 3e38:
        return number
    single = struct.unpack("<f", struct.pack("<f", number))[0]
    for digits in range(1, 10):
        text = f"{single:.{digits}g}"
        # One unit in the last place more or less is the exporter's rounding.
        if abs(struct.unpack("<f", struct.pack("<f", float(text)))[0] - single) <= abs(single) * 2**-23:
            return float(text)
    return number


def near(number: float | None, expected: float) -> bool:
    """Whether a number of the file is ``expected``, as rounded to 32 (or 16) bits."""
    return number is not None and abs(number - expected) <= 1e-6 * max(1.0, abs(expected))


def all_near(numbers: Sequence[object] | None, expected: float) -> bool:
    """Whether all of some known numbers are ``expected``."""
    return (
        numbers is not None
        and len(numbers) > 0
        and all(isinstance(one, int | float) and near(one, expected) for one in numbers)
    )
