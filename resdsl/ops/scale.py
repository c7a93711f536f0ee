"""Multiplication by a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.elementwise import Elementwise
from resdsl.ops.identity import Identity
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class Scale(Elementwise):
    """``y = factor * x`` (the residual scaling of Inception-ResNet, arXiv:1602.07261, section 3.3)."""

    name: ClassVar[str] = "scale"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("scale(0.17)", (2, 3, 5, 4)),
        Example("scale(factor = -2)", (3, 7)),
    )

    factor: float = arg(doc="what each element is multiplied by")

    def canonical(self, *inputs: TensorType) -> Operator:
        return Identity() if self.factor == 1 else self

    def label(self) -> str:
        return f"x {self.factor:g}"

    def of_number(self, x: float) -> float:
        return self.factor * x

    def in_torch(self, to: TorchCode) -> str:
        return f"{self.factor!r} * {to.input}"

    def lower(self, to: Lowering) -> None:
        to("Mul", to.input, to.number(self.factor))

    def gradient(self, to: Gradient) -> None:
        to.give(to("Mul", to.gradient, to.number(self.factor)))
