"""The mean of branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Moments
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.join import Join, require_fit


@dataclass(frozen=True, slots=True)
class Mean(Join):
    """``y = (x_1 + .. + x_n) / n``, of equal shapes: an ensemble of networks."""

    join: ClassVar[str] = "mean"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("mean { identity; relu }", (1, 4, 3, 3)),
        Example("mean { relu; sigmoid; tanh }", (3, 7)),
        Example("mean { relu }", (1, 2, 3, 3)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        require_fit(type(self), inputs)
        return inputs[0]

    def moments(self, inputs: Sequence[Moments], types: Sequence[TensorType]) -> Moments:
        count = len(inputs)
        return Moments(sum(x.mean for x in inputs) / count, sum(x.variance for x in inputs) / count**2)

    def in_torch(self, to: TorchCode) -> str:
        total = " + ".join(to.inputs)
        return f"({total}) / {len(to.inputs)}" if len(to.inputs) > 1 else total

    def lower(self, to: Lowering) -> None:
        # Not ONNX's Mean: it has no kernel on CUDA.
        total, *rest = to.inputs
        for branch in rest:
            total = to("Add", total, branch)
        to("Div", total, to.number(len(to.inputs)))

    def gradient(self, to: Gradient) -> None:
        share = to("Div", to.gradient, to.number(len(to.inputs)))
        for index in range(len(to.inputs)):
            if to.wants(index):
                to.give(share, index)
