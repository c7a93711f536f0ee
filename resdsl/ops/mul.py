"""The product of branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Moments
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.gradients import sum_to
from resdsl.ops.join import Join, broadcast, require_fit


@dataclass(frozen=True, slots=True)
class Mul(Join):
    """``y = x_1 * x_2 * ..``. A size of 1 is repeated: ``[N, C, 1, 1]`` gates channels, ``[N, 1, H, W]`` pixels.

    The gate of squeeze-and-excitation (arXiv:1709.01507, equation 4) is ``mul { identity; { .. sigmoid } }``.
    """

    join: ClassVar[str] = "mul"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("mul { identity; sigmoid }", (1, 4, 3, 3)),
        Example("mul { identity; avgpool(global) }", (2, 3, 4, 5)),
        Example("mul { avgpool(global); relu }", (2, 3, 4, 5)),
        Example("mul { identity; conv(1, 1x1) }", (2, 3, 4, 5)),
        Example("mul { avgpool(global); conv(1, 1x1); tanh }", (2, 3, 4, 5)),
        Example("mul { identity; sigmoid }", (3, 7)),
        Example("mul { relu }", (1, 2, 3, 3)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        require_fit(type(self), inputs, broadcast=True)
        return broadcast(inputs)

    def moments(self, inputs: Sequence[Moments], types: Sequence[TensorType]) -> Moments:
        mean, square = prod(x.mean for x in inputs), prod(x.square for x in inputs)
        return Moments(mean, max(square - mean * mean, 0.0))

    def in_torch(self, to: TorchCode) -> str:
        return " * ".join(to.inputs)

    def lower(self, to: Lowering) -> None:
        product, *rest = to.inputs
        if not rest:
            to("Identity", product)
        for branch in rest:
            product = to("Mul", product, branch)

    def gradient(self, to: Gradient) -> None:
        for index, x in enumerate(to.types):
            if not to.wants(index):
                continue
            product = to.gradient
            for other, factor in enumerate(to.inputs):
                if other != index:
                    product = to("Mul", product, factor)
            to.give(sum_to(to, product, x, to.result), index)
