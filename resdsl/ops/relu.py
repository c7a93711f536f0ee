"""The rectified linear unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ops.elementwise import Elementwise
from resdsl.ops.gradients import where_positive


@dataclass(frozen=True, slots=True)
class Relu(Elementwise):
    """``y = max(x, 0)`` (Nair & Hinton 2010)."""

    name: ClassVar[str] = "relu"
    never_negative: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("relu", (2, 3, 5, 4)),
        Example("relu", (3, 7)),
    )

    def of_number(self, x: float) -> float:
        return max(x, 0.0)

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('ReLU', inplace=to.may_overwrite or None)}({to.input})"

    def lower(self, to: Lowering) -> None:
        to("Relu", to.input)

    def gradient(self, to: Gradient) -> None:
        to.give(where_positive(to, to.output, to.gradient))
