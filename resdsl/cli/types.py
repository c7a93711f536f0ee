"""Parameter types for options of several commands."""

from __future__ import annotations

import math
import re
import sys
from typing import Any

import click

from resdsl.ir.types import DType
from resdsl.untrusted import bounded_int, printable

PRECISIONS = {"fp32": DType.F32, "fp16": DType.F16, "bf16": DType.BF16}
"""The values of ``--precision``, and the names of these types in the language."""

_SIZE = re.compile(r"(\d{1,5})(?:x(\d{1,5}))?", re.ASCII | re.IGNORECASE)
_LARGEST_SIZE = 65_536


class Depth(click.ParamType[int]):
    """Levels of rows: a number from 1, or ``all``."""

    name = "depth"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if text == "all":
            return sys.maxsize
        levels = bounded_int(text, least=1)
        if levels is None:
            self.fail(f"'{printable(text)}' is neither an integer from 1 nor 'all'", param, ctx)
        return levels


class ImageSize(click.ParamType[tuple[int, int]]):
    """Height and width of images: ``224`` or ``320x480``."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        match = _SIZE.fullmatch(str(value))
        height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not (0 < height <= _LARGEST_SIZE and 0 < width <= _LARGEST_SIZE):
            self.fail(f"'{printable(value)}' is neither a size such as 224 nor height x width, 320x480", param, ctx)
        return height, width


class Integers(click.ParamType[tuple[int, ...]]):
    """Different integers from 1 to ``most``, separated by commas: ``1,8,32``."""

    name = "integers"

    def __init__(self, most: int) -> None:
        self._most = most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        numbers: dict[int, None] = {}
        for part in (part.strip() for part in str(value).split(",")):
            number = bounded_int(part, least=1, most=self._most)
            if number is None:
                reason = f"'{printable(part)}' is not an integer from 1 to {self._most}; write them as 1,8,32"
                self.fail(reason, param, ctx)
            numbers[number] = None
        return tuple(numbers)


class FiniteRange(click.FloatRange):
    """A range of numbers without infinity and NaN, which ``click.FloatRange`` accepts."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number", param, ctx)
        return number
