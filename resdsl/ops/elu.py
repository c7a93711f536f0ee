"""The exponential linear unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ops.elementwise import Elementwise
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class Elu(Elementwise):
    """``y = x`` where ``x >= 0``, else ``alpha * (exp(x) - 1)`` (Clevert et al. 2015, arXiv:1511.07289)."""

    name: ClassVar[str] = "elu"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("elu", (2, 3, 5, 4)),
        Example("elu(alpha = 0.5)", (3, 7)),
    )

    alpha: float = arg(1.0, doc="the value approached far below zero is `-alpha`")

    def of_number(self, x: float) -> float:
        return x if x >= 0 else self.alpha * math.expm1(x)

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('ELU', self.alpha)}({to.input})"

    def lower(self, to: Lowering) -> None:
        to("Elu", to.input, alpha=self.alpha)

    def gradient(self, to: Gradient) -> None:
        below = to("Mul", to.gradient, to("Add", to.output, to.number(self.alpha)))
        to.give(to("Where", to("Greater", to.input, to.number(0.0)), to.gradient, below))
