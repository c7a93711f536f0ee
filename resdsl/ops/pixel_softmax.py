"""Softmax over pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator, Window
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.branch_softmax import BranchSoftmax
from resdsl.ops.checks import known_channels, require_image
from resdsl.ops.gradients import shape_of, softmax_gradient
from resdsl.ops.pixels import with_pixels


@dataclass(frozen=True, slots=True)
class PixelSoftmax(Operator):
    """Scores as shares of pixels: those of each channel of an image add up to 1.

    ``y[n, c, i, j] = exp(x[n, c, i, j]) / sum_{u, v} exp(x[n, c, u, v])``. With ``pixel_sum`` it gives a mean of pixels
    with learned weights, the context of global context networks (Cao et al. 2019, arXiv:1904.11492, figure 4d).
    """

    name: ClassVar[str] = "pixel_softmax"
    aliases: ClassVar[tuple[str, ...]] = ("spatial_softmax",)
    drawn_inside: ClassVar[bool] = True
    needs_f32: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("pixel_softmax", (2, 3, 5, 4)),
        Example("pixel_softmax", (1, 1, 3, 2)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "a softmax over pixels")
        known_channels(x)
        return x

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        return None

    def canonical(self, *inputs: TensorType) -> Operator:
        (x,) = inputs
        return BranchSoftmax(1).canonical(x) if x.shape[2:] == (1, 1) else self

    def label(self) -> str:
        return "softmax of pixels"

    def in_torch(self, to: TorchCode) -> str:
        return f"torch.softmax({to.input}.flatten(2), 2).unflatten(2, {to.input}.shape[2:])"

    def lower(self, to: Lowering) -> None:
        pixels = to("Reshape", to.input, to.integers((0, 0, -1)))
        with_pixels(to, to("Softmax", pixels, axis=2), known_channels(to.types[0]))

    def gradient(self, to: Gradient) -> None:
        y, gradient = (to("Reshape", value, to.integers((0, 0, -1))) for value in (to.output, to.gradient))
        to.give(to("Reshape", softmax_gradient(to, y, gradient, 2), shape_of(to, to.types[0])))
