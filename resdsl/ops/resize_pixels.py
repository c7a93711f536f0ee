"""Resizing of raw images by the network itself. The language writes it as a step of ``preprocess``."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.ir.dims import Dim
from resdsl.ir.operator import Attribute, Lowering, Operator
from resdsl.ir.types import TensorType

_AS_PILLOW: dict[str, dict[str, Attribute]] = {
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
    # Pillow leaves out what lies outside of the image, and its cubic kernel has a = -0.5 where ONNX's has -0.75.
    "bilinear": {"mode": "linear", "antialias": 1, "exclude_outside": 1},
    "bicubic": {"mode": "cubic", "antialias": 1, "exclude_outside": 1, "cubic_coeff_a": -0.5},
}

INTERPOLATIONS = tuple(_AS_PILLOW)
"""What ONNX can do. It has no Lanczos."""


@dataclass(frozen=True, slots=True)
class ResizePixels(Operator):
    """Images ``u8[N, H, W, C]`` resized as Pillow does, on bytes: each of the two passes rounds to integers.

    ``fit = short``: the short side to ``size`` pixels, the long one to ``size * long // short``; ``exact``: both to
    ``size``. ``rows`` and ``columns`` are what the result's sizes are called where they depend on the image.
    """

    size: int
    interpolation: str
    fit: str
    rows: Dim
    columns: Dim

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        batch, rows, columns, channels = x.shape
        if self.fit == "exact" or rows == columns:
            return x.with_shape(batch, self.size, self.size, channels)
        return x.with_shape(batch, self.rows, self.columns, channels)

    def lower(self, to: Lowering) -> None:
        if self.fit == "exact":
            sizes = to.integers((self.size, self.size))
        else:
            sides = to("Shape", to.input, start=1, end=3)
            # Integers: the short side becomes `size` itself, and the long one is rounded down as torchvision does.
            sizes = to("Div", to("Mul", sides, to.integers((self.size,))), to("ReduceMin", sides, keepdims=1))
        how = _AS_PILLOW[self.interpolation]
        to("Resize", to.input, None, None, sizes, axes=(1, 2), coordinate_transformation_mode="half_pixel", **how)
