"""The parametric rectified linear unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.initializers import Constant
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known_channels, require_channels
from resdsl.ops.elementwise import Elementwise
from resdsl.ops.gradients import per_channel, sum_channels
from resdsl.ops.signature import arg

_INITIAL = 0.25


@dataclass(frozen=True, slots=True)
class PRelu(Elementwise):
    """``y = x`` where ``x >= 0``, else ``weight * x``, with a learned weight (He et al. 2015, arXiv:1502.01852).

    As PyTorch's ``PReLU``: one weight, or one for each channel, which starts at 0.25.
    """

    name: ClassVar[str] = "prelu"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("prelu", (2, 3, 5, 4)),
        Example("prelu(per_channel = true)", (2, 3, 5, 4)),
        Example("prelu(true)", (3, 7)),
        Example("prelu", (3, 7)),
    )

    per_channel: bool = arg(False, doc="a weight for each channel instead of one for all")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if self.per_channel:
            require_channels(x, "a prelu per channel")
            known_channels(x)
        return x

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        count = known_channels(x) if self.per_channel else 1
        return (ParameterSpec("weight", (count,), Constant(_INITIAL), dtype=x.dtype),)

    def canonical(self, *inputs: TensorType) -> Operator:
        (x,) = inputs
        return PRelu() if self.per_channel and known_channels(x) == 1 else self

    def of_number(self, x: float) -> float:
        return x if x >= 0 else _INITIAL * x

    def in_torch(self, to: TorchCode) -> str:
        (x,) = to.types
        count = known_channels(x) if self.per_channel else 1
        return f"{to.module('PReLU', *([count] if count > 1 else []))}({to.input})"

    def lower(self, to: Lowering) -> None:
        weight = to.parameter("weight")
        (x,) = to.types
        if self.per_channel and x.rank > 2:
            weight = to("Reshape", weight, to.integers((known_channels(x), *(1,) * (x.rank - 2))))
        to("PRelu", to.input, weight)

    def gradient(self, to: Gradient) -> None:
        (x,) = to.types
        positive = to("Greater", to.input, to.number(0.0))
        if to.wants():
            weight = to.parameter("weight")
            below = to("Mul", to.gradient, per_channel(to, weight, x) if self.per_channel else weight)
            to.give(to("Where", positive, to.gradient, below))
        if to.wants_parameter("weight"):
            products = to("Where", positive, to.number(0.0), to("Mul", to.gradient, to.input))
            total = (
                sum_channels(to, products, x.rank)
                if self.per_channel
                else to("Reshape", to("ReduceSum", products, keepdims=0), to.integers((1,)))
            )
            to.give_parameter("weight", total)
