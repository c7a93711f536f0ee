"""The sum of branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Moments
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.gradients import sum_to
from resdsl.ops.join import Join, broadcast, require_fit


@dataclass(frozen=True, slots=True)
class Add(Join):
    """``y = x_1 + x_2 + ..``; also what a residual ends with.

    A size of 1 is repeated: ``[N, C, 1, 1]`` is added to every pixel of a channel, as a global context is
    (arXiv:1904.11492, figure 4 d).
    """

    join: ClassVar[str] = "add"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("add { identity; relu }", (1, 4, 3, 3)),
        Example("add { relu; sigmoid; tanh }", (2, 3, 2, 4)),
        Example("add { relu; identity }", (3, 7)),
        Example("add { identity; { avgpool(global); relu } }", (2, 3, 4, 5)),
        Example("add { relu }", (1, 2, 3, 3)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        require_fit(type(self), inputs, broadcast=True)
        return broadcast(inputs)

    def moments(self, inputs: Sequence[Moments], types: Sequence[TensorType]) -> Moments:
        return Moments(sum(x.mean for x in inputs), sum(x.variance for x in inputs))

    def in_torch(self, to: TorchCode) -> str:
        return " + ".join(to.inputs)

    def lower(self, to: Lowering) -> None:
        total, *rest = to.inputs
        if not rest:
            to("Identity", total)
        for branch in rest:
            total = to("Add", total, branch)

    def gradient(self, to: Gradient) -> None:
        for index, x in enumerate(to.types):
            if to.wants(index):
                to.give(sum_to(to, to.gradient, x, to.result), index)
