"""The Gaussian error linear unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Lowering
from resdsl.ir.torch_code import TorchCode, unless
from resdsl.ir.types import Word
from resdsl.ops.elementwise import Elementwise
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class Gelu(Elementwise):
    """``y = x * P(X <= x)`` for a standard normal ``X`` (arXiv:1606.08415, section 2).

    That is ``x / 2 * (1 + erf(x / sqrt(2)))``. With ``approximate = tanh`` it is the approximation from the same place,
    ``x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))``.
    """

    name: ClassVar[str] = "gelu"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("gelu", (2, 3, 5, 4)),
        Example("gelu(approximate = tanh)", (2, 3, 5, 4)),
        Example("gelu(none)", (3, 7)),
    )

    approximate: Word = arg(
        Word("none"), doc="the exact function or its approximation by a tanh", words=("none", "tanh")
    )

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('GELU', approximate=unless(str(self.approximate), 'none'))}({to.input})"

    def lower(self, to: Lowering) -> None:
        # Gelu itself is of set 20; ONNX Runtime fuses this form of it.
        x = to.input
        if self.approximate == "tanh":
            cube = to("Mul", to("Mul", x, x), x)
            inner = to("Add", x, to("Mul", cube, to.number(0.044715)))
            curve = to("Tanh", to("Mul", inner, to.number(math.sqrt(2 / math.pi))))
        else:
            curve = to("Erf", to("Div", x, to.number(math.sqrt(2))))
        to("Mul", to("Mul", x, to("Add", curve, to.number(1.0))), to.number(0.5))
