"""The sum of joined branches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.branches import channels_of_each
from resdsl.ops.identity import Identity
from resdsl.ops.pixels import with_pixels
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class BranchSum(Operator):
    """The sum of branches of equal channels that a ``concat`` joined: ``y[n, c] = sum_b x[n, b*C + c]``, at each pixel.

    It ends what ``branch_softmax`` weights: ``mul { identity; { .. branch_softmax(2) } }``, then ``branch_sum(2)``.
    Where nothing reads the joined branches, ``add { .. }`` is their sum.
    """

    name: ClassVar[str] = "branch_sum"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("branch_sum(2)", (2, 6, 3, 4)),
        Example("branch_sum(branches = 3)", (1, 6, 1, 1)),
        Example("branch_sum(4)", (3, 8)),
        Example("branch_sum(channels)", (2, 3, 5, 4)),
    )

    branches: int = arg(doc="the number of branches that the channels are from")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        return x.with_shape(x.shape[0], channels_of_each(x, self.branches, "a sum of branches"), *x.shape[2:])

    def canonical(self, *inputs: TensorType) -> Operator:
        return Identity() if self.branches == 1 else self

    def label(self) -> str:
        return f"sum of {self.branches} branches"

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.input}.unflatten(1, ({self.branches}, -1)).sum(1)"

    def lower(self, to: Lowering) -> None:
        (x,) = to.types
        apart = to("Reshape", to.input, to.integers((0, self.branches, -1)))
        with_pixels(to, to("ReduceSum", apart, to.integers((1,)), keepdims=0), channels_of_each(x, self.branches, ""))

    def gradient(self, to: Gradient) -> None:
        to.give(to("Concat", *[to.gradient] * self.branches, axis=1))
