"""Softmax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.checks import require_channels
from resdsl.ops.gradients import softmax_gradient


@dataclass(frozen=True, slots=True)
class Softmax(Operator):
    """Scores as probabilities over the channels: ``y[n, c] = exp(x[n, c]) / sum_k exp(x[n, k])``, at each pixel."""

    name: ClassVar[str] = "softmax"
    drawn_inside: ClassVar[bool] = True
    needs_f32: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("softmax", (3, 7)),
        Example("softmax", (2, 3, 5, 4)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_channels(x, "softmax")
        return x

    def in_torch(self, to: TorchCode) -> str:
        to.item = "Softmax(1)"
        return f"torch.softmax({to.input}, 1)"

    def lower(self, to: Lowering) -> None:
        to("Softmax", to.input, axis=1)

    def gradient(self, to: Gradient) -> None:
        to.give(softmax_gradient(to, to.output, to.gradient, 1))
