"""The sum of branches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Lowering
from resdsl.ir.types import TensorType
from resdsl.ops.join import Join, require_fit


@dataclass(frozen=True, slots=True)
class Add(Join):
    """``y = x_1 + x_2 + ..``, of equal shapes; also what a residual ends with."""

    join: ClassVar[str] = "add"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("add { identity; relu }", (1, 4, 3, 3)),
        Example("add { relu; sigmoid; tanh }", (2, 3, 2, 4)),
        Example("add { relu; identity }", (3, 7)),
        Example("add { relu }", (1, 2, 3, 3)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        require_fit(type(self), inputs)
        return inputs[0]

    def lower(self, to: Lowering) -> None:
        total, *rest = to.inputs
        if not rest:
            to("Identity", total)
        for branch in rest:
            total = to("Add", total, branch)
