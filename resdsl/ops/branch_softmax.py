"""Softmax over branches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.branches import channels_of_each
from resdsl.ops.checks import known_channels
from resdsl.ops.gradients import shape_of, softmax_gradient
from resdsl.ops.pixels import with_pixels
from resdsl.ops.signature import arg
from resdsl.ops.softmax import Softmax


@dataclass(frozen=True, slots=True)
class BranchSoftmax(Operator):
    """Scores as shares of branches: for each channel of a branch, its values in all branches add up to 1.

    The input has the channels of branch 0, then those of branch 1 and so on, as ``concat`` joins them. With ``C``
    channels in each, ``y[n, b*C + c] = exp(x[n, b*C + c]) / sum_k exp(x[n, k*C + c])``, at each pixel (selective
    kernels, arXiv:1903.06586, equation 5; split attention, arXiv:2004.08955, section 3.1).
    """

    name: ClassVar[str] = "branch_softmax"
    aliases: ClassVar[tuple[str, ...]] = ("radixsoftmax", "radix_softmax")
    drawn_inside: ClassVar[bool] = True
    needs_f32: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("branch_softmax(2)", (2, 6, 3, 4)),
        Example("branch_softmax(branches = 3)", (1, 6, 1, 1)),
        Example("branch_softmax(4)", (3, 8)),
        Example("branch_softmax(channels)", (2, 3, 5, 4)),
    )

    branches: int = arg(doc="the number of branches that the channels are from")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        channels_of_each(x, self.branches, "a softmax over branches")
        return x

    def canonical(self, *inputs: TensorType) -> Operator:
        (x,) = inputs
        return Softmax() if self.branches == known_channels(x) else self

    def label(self) -> str:
        return f"softmax of {self.branches} branches"

    def in_torch(self, to: TorchCode) -> str:
        return f"torch.softmax({to.input}.unflatten(1, ({self.branches}, -1)), 1).flatten(1, 2)"

    def lower(self, to: Lowering) -> None:
        (x,) = to.types
        each = channels_of_each(x, self.branches, "")
        apart = to("Reshape", to.input, to.integers((0, self.branches, each, -1)))
        with_pixels(to, to("Softmax", apart, axis=1), self.branches * each)

    def gradient(self, to: Gradient) -> None:
        (x,) = to.types
        apart = to.integers((0, self.branches, channels_of_each(x, self.branches, ""), -1))
        y, gradient = (to("Reshape", value, apart) for value in (to.output, to.gradient))
        to.give(to("Reshape", softmax_gradient(to, y, gradient, 1), shape_of(to, x)))
