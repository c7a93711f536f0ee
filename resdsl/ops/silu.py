"""The sigmoid-weighted linear unit, also called swish."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ops.elementwise import Elementwise


@dataclass(frozen=True, slots=True)
class Silu(Elementwise):
    """``y = x / (1 + exp(-x))`` (Elfwing et al. 2017, arXiv:1702.03118)."""

    name: ClassVar[str] = "silu"
    aliases: ClassVar[tuple[str, ...]] = ("swish",)
    examples: ClassVar[tuple[Example, ...]] = (
        Example("silu", (2, 3, 5, 4)),
        Example("silu", (3, 7)),
    )

    def of_number(self, x: float) -> float:
        return x / (1 + math.exp(-x)) if x > -700 else 0.0

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('SiLU')}({to.input})"

    def lower(self, to: Lowering) -> None:
        # The one operator that ONNX has for it (Swish) is of set 24 and has no kernel. ONNX Runtime fuses these two.
        to("Mul", to.input, to("Sigmoid", to.input))

    def gradient(self, to: Gradient) -> None:
        """With ``s = sigmoid(x)``: ``s + y * (1 - s)``."""
        s = to("Sigmoid", to.input)
        rest = to("Mul", to.output, to("Sub", to.number(1.0), s))
        to.give(to("Mul", to.gradient, to("Add", s, rest)))
