"""Shared by the pools. Not an operator of the language itself."""

from __future__ import annotations

import dataclasses

from resdsl.diagnostics import catalogue
from resdsl.ir.operator import Operator, Refusal
from resdsl.ir.torch_code import is_symmetric
from resdsl.ir.types import Sides, Size, TensorType
from resdsl.ops.windows import counted, extent

GLOBAL = ("global",)
"""In place of a kernel: one window over the whole image, for any size."""


def whole_image(pool: Operator, x: TensorType) -> TensorType:
    """The type that a global pool gives; refuses arguments that have no effect."""
    for field in dataclasses.fields(pool):
        if field.name != "kernel" and getattr(pool, field.name) != field.default:
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                f"a global pool has one window, so `{field.name}` has no effect",
                argument=field.name,
                helps=(f"leave `{field.name}` out, or give the kernel a size",),
            )
    return x.with_shape(x.shape[0], x.channels, 1, 1)


def is_each_pixel(kernel: Size, stride: Size, pad: Sides) -> bool:
    """Whether each window is one pixel of the image, and each pixel a window."""
    return kernel == stride == Size(1, 1) and not any(pad)


def fits_pool(pad: Sides, kernel: Size) -> bool:
    """Whether PyTorch's pools take this padding: as much on both sides, and at most half a window."""
    return is_symmetric(pad) and 2 * pad.top <= kernel.height and 2 * pad.left <= kernel.width


def require_pixels(x: TensorType, kernel: Size, stride: Size, dilation: Size, pad: Sides, result: TensorType) -> None:
    """Refuse padding that leaves a window without a pixel of the input: it would have no maximum and no mean.

    ``result`` has a pixel for each window.
    """
    rows = (x.shape[2], kernel.height, stride.height, dilation.height)
    columns = (x.shape[3], kernel.width, stride.width, dilation.width)
    for axis, (dim, points, step, spacing), before, after, count in (
        ("row", rows, pad.top, pad.bottom, result.shape[2]),
        ("column", columns, pad.left, pad.right, result.shape[3]),
    ):
        reach = extent(points, spacing)
        padding = max(before, after)
        if padding >= reach:
            raise Refusal(
                catalogue.PADDING_TOO_LARGE,
                f"a window over {counted(reach, axis)} would lie wholly in {counted(padding, axis)} of padding",
                argument="pad",
                helps=(f"pad by at most {reach - 1}",),
            )
        if not isinstance(dim, int) or dim >= spacing:
            continue
        # A window that begins inside has its first point there; a dilated one may step over a small input. Its first
        # point from 0 is at `start % spacing`, which repeats after as many windows as there are remainders.
        assert isinstance(count, int)
        for start in range(-before, 0, step)[: min(spacing, count)]:
            if start % spacing >= dim:
                raise Refusal(
                    catalogue.PADDING_TOO_LARGE,
                    f"a window of {points} points {spacing} apart steps over the input, which has {counted(dim, axis)}",
                    argument="pad",
                    helps=("less padding, a smaller dilation, or a larger input",),
                )
