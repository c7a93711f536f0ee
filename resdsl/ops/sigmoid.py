"""The logistic function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ops.elementwise import Elementwise


@dataclass(frozen=True, slots=True)
class Sigmoid(Elementwise):
    """``y = 1 / (1 + exp(-x))``."""

    name: ClassVar[str] = "sigmoid"
    never_negative: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("sigmoid", (2, 3, 5, 4)),
        Example("sigmoid", (3, 7)),
    )

    def of_number(self, x: float) -> float:
        return 1 / (1 + math.exp(-x)) if x > -700 else 0.0

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('Sigmoid')}({to.input})"

    def lower(self, to: Lowering) -> None:
        to("Sigmoid", to.input)

    def gradient(self, to: Gradient) -> None:
        slope = to("Mul", to.output, to("Sub", to.number(1.0), to.output))
        to.give(to("Mul", to.gradient, slope))
