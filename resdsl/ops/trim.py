"""Removing pixels at the sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import Dim
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, Refusal, Steps, Window
from resdsl.ir.torch_code import TorchCode, padded
from resdsl.ir.types import Sides, TensorType
from resdsl.ops.checks import require_image
from resdsl.ops.identity import Identity
from resdsl.ops.signature import arg
from resdsl.ops.windows import counted

_END = 2**63 - 1
"""ONNX's end of an axis of any size."""


@dataclass(frozen=True, slots=True)
class Trim(Operator):
    """The image without some pixels at each side: ``y[n, c, i, j] = x[n, c, i + top, j + left]``.

    With ``pad`` it moves an image: ``pad([0, 0, 1, 1])``, then ``trim([1, 1, 0, 0])`` (the second path of NASNet's
    reductions, which starts at another pixel than the first).
    """

    name: ClassVar[str] = "trim"
    aliases: ClassVar[tuple[str, ...]] = ("crop", "cropping2d")
    examples: ClassVar[tuple[Example, ...]] = (
        Example("trim([1, 1, 0, 0])", (2, 3, 5, 4)),
        Example("trim(1)", (1, 2, 5, 6)),
        Example("trim([0, 1, 2, 0])", (1, 2, 5, 4)),
    )

    sides: Sides = arg(doc="pixels to take off at each side")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "a trim")
        batch, channels, rows, columns = x.shape
        top, left, bottom, right = self.sides
        return x.with_shape(
            batch, channels, _without(rows, top + bottom, "row"), _without(columns, left + right, "column")
        )

    def canonical(self, *inputs: TensorType) -> Operator:
        return self if any(self.sides) else Identity()

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        return Window(Steps(pad=-self.sides.top), Steps(pad=-self.sides.left))

    def in_torch(self, to: TorchCode) -> str:
        return padded(to.input, Sides(*(-side for side in self.sides)))

    def lower(self, to: Lowering) -> None:
        top, left, bottom, right = self.sides
        ends = to.integers([-side if side else _END for side in (bottom, right)])
        to("Slice", to.input, to.integers((top, left)), ends, to.integers((2, 3)))

    def gradient(self, to: Gradient) -> None:
        top, left, bottom, right = self.sides
        to.give(to("Pad", to.gradient, to.integers((top, left, bottom, right)), None, to.integers((2, 3))))


def _without(dim: Dim, taken: int, axis: str) -> Dim:
    left = dim - taken
    if isinstance(left, int) and left < 1:
        raise Refusal(
            catalogue.ARGUMENT_VALUE,
            f"the trim takes off {taken} of {counted(left + taken, axis)}",
            argument="sides",
            helps=("take off less, or use a larger input",),
        )
    return left
