"""Parameter types that several commands share."""

from __future__ import annotations

import re
import sys

import click

from resdsl.ir.types import DType

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
        if not (text.isascii() and text.isdigit() and int(text) > 0):
            self.fail(f"'{text}' is neither an integer from 1 nor 'all'", param, ctx)
        return int(text)


class ImageSize(click.ParamType[tuple[int, int]]):
    """Height and width of images: ``224`` or ``320x480``."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        match = _SIZE.fullmatch(str(value))
        height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not (0 < height <= _LARGEST_SIZE and 0 < width <= _LARGEST_SIZE):
            self.fail(f"'{value}' is neither a size such as 224 nor height x width, 320x480", param, ctx)
        return height, width


class Integers(click.ParamType[tuple[int, ...]]):
    """Different integers from 1 to ``most``, separated by commas: ``1,8,32``."""

    name = "integers"

    def __init__(self, most: int) -> None:
        self._most = most

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        parts = [part.strip() for part in str(value).split(",")]
        for part in parts:
            # The length first: Python refuses to convert thousands of digits.
            if not (part.isascii() and part.isdigit() and len(part) <= 9 and 0 < int(part) <= self._most):
                self.fail(f"'{part}' is not an integer from 1 to {self._most}; write them as 1,8,32", param, ctx)
        return tuple(dict.fromkeys(map(int, parts)))
