"""The rectified linear unit that saturates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ops.elementwise import Elementwise
from resdsl.ops.gradients import where_positive


@dataclass(frozen=True, slots=True)
class Relu6(Elementwise):
    """``y = min(max(x, 0), 6)`` (MobileNet v1 and v2, arXiv:1801.04381)."""

    name: ClassVar[str] = "relu6"
    never_negative: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("relu6", (2, 3, 5, 4)),
        Example("relu6", (3, 7)),
    )

    def of_number(self, x: float) -> float:
        return min(max(x, 0.0), 6.0)

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('ReLU6', inplace=to.may_overwrite or None)}({to.input})"

    def lower(self, to: Lowering) -> None:
        to("Clip", to.input, to.number(0.0), to.number(6.0))

    def gradient(self, to: Gradient) -> None:
        below = to("Where", to("Less", to.input, to.number(6.0)), to.gradient, to.number(0.0))
        to.give(where_positive(to, to.input, below))
