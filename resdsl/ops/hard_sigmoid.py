"""The logistic function in three straight pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ops.elementwise import Elementwise


@dataclass(frozen=True, slots=True)
class HardSigmoid(Elementwise):
    """``y = min(max(x + 3, 0), 6) / 6`` (MobileNet v3, arXiv:1905.02244, section 5.2)."""

    name: ClassVar[str] = "hard_sigmoid"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("hard_sigmoid", (2, 3, 5, 4)),
        Example("hard_sigmoid", (3, 7)),
    )

    def of_number(self, x: float) -> float:
        return min(max(x + 3, 0.0), 6.0) / 6

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('Hardsigmoid')}({to.input})"

    def lower(self, to: Lowering) -> None:
        # ONNX: max(0, min(1, alpha * x + beta)), by default with the 0.2 of Keras, not this sixth.
        to("HardSigmoid", to.input, alpha=1 / 6, beta=0.5)

    def gradient(self, to: Gradient) -> None:
        sloping = to("Less", to("Abs", to.input), to.number(3.0))
        to.give(to("Where", sloping, to("Mul", to.gradient, to.number(1 / 6)), to.number(0.0)))
