"""Vectors of length 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator
from resdsl.ir.torch_code import TorchCode, unless
from resdsl.ir.types import TensorType
from resdsl.ops.checks import require_channels
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class L2Normalize(Operator):
    """The channels as a vector of length 1: ``y[n, c] = x[n, c] / max(sqrt(sum_k x[n, k]^2), eps)``, at each pixel.

    It is PyTorch's ``F.normalize``, the last layer of networks for faces and descriptors (FaceNet, arXiv:1503.03832,
    section 3). With ``affine(bias = false)`` it is SSD's layer for ``conv4_3`` (ParseNet, arXiv:1506.04579, section
    3.3).
    """

    name: ClassVar[str] = "l2_normalize"
    aliases: ClassVar[tuple[str, ...]] = ("l2norm", "l2_norm", "l2normalize", "unitnormalization")
    drawn_inside: ClassVar[bool] = True
    needs_f32: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("l2_normalize", (3, 7)),
        Example("l2_normalize(eps = 0.5)", (3, 7)),
        Example("l2_normalize(eps = 2)", (2, 3, 5, 4)),
    )

    eps: float = arg(1e-12, doc="the smallest length that divides", within=(0, float("inf")))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_channels(x, "l2_normalize")
        return x

    def label(self) -> str:
        return "L2 normalize"

    def in_torch(self, to: TorchCode) -> str:
        eps = unless(self.eps, 1e-12)
        return f"F.normalize({to.input})" if eps is None else f"F.normalize({to.input}, eps={eps!r})"

    def lower(self, to: Lowering) -> None:
        length = to("ReduceL2", to.input, to.integers((1,)))
        to("Div", to.input, to("Max", length, to.number(self.eps)))

    def gradient(self, to: Gradient) -> None:
        # dx = (g - y * sum(g * y)) / length, and g / eps where the length does not divide.
        channels, eps = to.integers((1,)), to.number(self.eps)
        length = to("ReduceL2", to.input, channels)
        along = to("ReduceSum", to("Mul", to.gradient, to.output), channels, keepdims=1)
        along = to("Where", to("Greater", length, eps), along, to.number(0.0))
        to.give(to("Div", to("Sub", to.gradient, to("Mul", to.output, along)), to("Max", length, eps)))
