"""The Gaussian error linear unit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering
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

    def of_number(self, x: float) -> float:
        return x / 2 * (1 + math.erf(x / math.sqrt(2)))

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

    def gradient(self, to: Gradient) -> None:
        """``P(X <= x) + x * density(x)``; of the approximation ``(1 + t) / 2 + x / 2 * (1 - t^2) * u'`` with
        ``t = tanh(u)``.
        """
        x = to.input
        square = to("Mul", x, x)
        if self.approximate == "tanh":
            root = math.sqrt(2 / math.pi)
            cubic = to("Mul", to("Mul", square, x), to.number(0.044715 * root))
            t = to("Tanh", to("Add", cubic, to("Mul", x, to.number(root))))
            rise = to("Add", to("Mul", square, to.number(3 * 0.044715 * root)), to.number(root))
            steep = to("Mul", to("Mul", to("Sub", to.number(1.0), to("Mul", t, t)), rise), to("Mul", x, to.number(0.5)))
            curve = t
        else:
            curve = to("Erf", to("Div", x, to.number(math.sqrt(2))))
            density = to("Exp", to("Mul", square, to.number(-0.5)))
            steep = to("Mul", to("Mul", x, density), to.number(1 / math.sqrt(2 * math.pi)))
        share = to("Mul", to("Add", curve, to.number(1.0)), to.number(0.5))
        to.give(to("Mul", to.gradient, to("Add", share, steep)))
