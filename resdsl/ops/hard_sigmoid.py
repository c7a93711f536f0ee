"""The logistic function in three straight pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ops.elementwise import Elementwise
from resdsl.ops.signature import arg

SMALLEST_BOUND, LARGEST_BOUND = 1e-3, 1e3
"""Beyond them it is a step, or one half everywhere."""


@dataclass(frozen=True, slots=True)
class HardSigmoid(Elementwise):
    """``y = min(max(x + bound, 0), 2 * bound) / (2 * bound)`` (MobileNet v3, arXiv:1905.02244, section 5.2).

    Keras and PaddlePaddle have had 2.5 for the 3 of the paper, which is the slope 0.2 in place of 1/6.
    """

    name: ClassVar[str] = "hard_sigmoid"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("hard_sigmoid", (2, 3, 5, 4)),
        Example("hard_sigmoid(bound = 2.5)", (3, 7)),
    )

    bound: float = arg(
        3.0, doc="where it reaches 1; it is 0 from the negative number down", within=(SMALLEST_BOUND, LARGEST_BOUND)
    )

    def of_number(self, x: float) -> float:
        return min(max(x + self.bound, 0.0), 2 * self.bound) / (2 * self.bound)

    def in_torch(self, to: TorchCode) -> str:
        if self.bound == 3:
            return f"{to.module('Hardsigmoid')}({to.input})"
        return f"torch.clamp({to.input} / {self.bound!r}, -1.0, 1.0) / 2 + 0.5"

    def lower(self, to: Lowering) -> None:
        # ONNX: max(0, min(1, alpha * x + beta)).
        to("HardSigmoid", to.input, alpha=0.5 / self.bound, beta=0.5)

    def gradient(self, to: Gradient) -> None:
        sloping = to("Less", to("Abs", to.input), to.number(self.bound))
        to.give(to("Where", sloping, to("Mul", to.gradient, to.number(0.5 / self.bound)), to.number(0.0)))
