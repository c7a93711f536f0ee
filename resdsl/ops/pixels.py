"""Shared by operators that reshape an image and back. Not an operator of the language itself."""

from __future__ import annotations

from resdsl.ir.operator import Lowering, Ref
from resdsl.ops.checks import known_channels


def with_pixels(to: Lowering, y: Ref, channels: int) -> Ref:
    """``y``, with the batch as its first axis, reshaped to these channels and the height and width of the input.

    Features become ``[N, channels]``. The shape is constant where at most one of height and width is unknown.
    """
    (x,) = to.types
    sizes = [size if isinstance(size, int) else -1 for size in x.shape[2:]]
    if sizes.count(-1) <= 1:
        shape = to.integers((0, channels, *sizes))
    elif channels == known_channels(x):
        shape = to("Shape", to.input)
    else:
        shape = to("Concat", to.integers((0, channels)), to("Shape", to.input, start=2), axis=0)
    return to("Reshape", y, shape)
