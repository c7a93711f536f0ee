"""The sum of the pixels of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.checks import require_image
from resdsl.ops.gradients import repeated
from resdsl.ops.identity import Identity


@dataclass(frozen=True, slots=True)
class PixelSum(Operator):
    """The sum of each channel over the image: ``y[n, c] = sum_{i, j} x[n, c, i, j]``, as ``[N, C, 1, 1]``.

    Their mean is ``avgpool(global)``. A sum is what pixels need that ``pixel_softmax`` weights.
    """

    name: ClassVar[str] = "pixel_sum"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("pixel_sum", (2, 3, 5, 4)),
        Example("pixel_sum", (1, 1, 3, 2)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "a sum of pixels")
        return x.with_shape(x.shape[0], x.channels, 1, 1)

    def canonical(self, *inputs: TensorType) -> Operator:
        (x,) = inputs
        return Identity() if x.shape[2:] == (1, 1) else self

    def label(self) -> str:
        return "sum of pixels"

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.input}.sum((2, 3), keepdim=True)"

    def lower(self, to: Lowering) -> None:
        to("ReduceSum", to.input, to.integers((2, 3)), keepdims=1)

    def gradient(self, to: Gradient) -> None:
        to.give(repeated(to, to.gradient, to.types[0]))
