"""The swish in three pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ops.elementwise import Elementwise


@dataclass(frozen=True, slots=True)
class HardSwish(Elementwise):
    """``y = x * min(max(x + 3, 0), 6) / 6`` (MobileNet v3, arXiv:1905.02244, section 5.2)."""

    name: ClassVar[str] = "hard_swish"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("hard_swish", (2, 3, 5, 4)),
        Example("hard_swish", (3, 7)),
    )

    def of_number(self, x: float) -> float:
        return x * min(max(x + 3, 0.0), 6.0) / 6

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('Hardswish')}({to.input})"

    def lower(self, to: Lowering) -> None:
        to("HardSwish", to.input)

    def gradient(self, to: Gradient) -> None:
        x = to.input
        between = to("Add", to("Mul", x, to.number(1 / 3)), to.number(0.5))
        above = to("Where", to("Greater", x, to.number(3.0)), to.number(1.0), between)
        to.give(to("Mul", to.gradient, to("Where", to("Less", x, to.number(-3.0)), to.number(0.0), above)))
