"""The hyperbolic tangent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ops.elementwise import Elementwise


@dataclass(frozen=True, slots=True)
class Tanh(Elementwise):
    """``y = tanh(x)``."""

    name: ClassVar[str] = "tanh"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("tanh", (2, 3, 5, 4)),
        Example("tanh", (3, 7)),
    )

    def of_number(self, x: float) -> float:
        return math.tanh(x)

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('Tanh')}({to.input})"

    def lower(self, to: Lowering) -> None:
        to("Tanh", to.input)

    def gradient(self, to: Gradient) -> None:
        slope = to("Sub", to.number(1.0), to("Mul", to.output, to.output))
        to.give(to("Mul", to.gradient, slope))
