"""The rectified linear unit with a small slope below zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ops.elementwise import Elementwise
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class LeakyRelu(Elementwise):
    """``y = x`` where ``x >= 0``, else ``slope * x`` (Maas et al. 2013)."""

    name: ClassVar[str] = "leaky_relu"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("leaky_relu", (2, 3, 5, 4)),
        Example("leaky_relu(slope = 0.2)", (3, 7)),
        Example("leaky_relu(0)", (3, 7)),
    )

    slope: float = arg(0.01, doc="slope below zero")

    def of_number(self, x: float) -> float:
        return x if x >= 0 else self.slope * x

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('LeakyReLU', self.slope)}({to.input})"

    def lower(self, to: Lowering) -> None:
        to("LeakyRelu", to.input, alpha=self.slope)

    def gradient(self, to: Gradient) -> None:
        below = to("Mul", to.gradient, to.number(self.slope))
        to.give(to("Where", to("Greater", to.input, to.number(0.0)), to.gradient, below))
