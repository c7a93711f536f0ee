"""Filter response normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.initializers import ZEROS
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec, Window
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.affine import weight_and_bias
from resdsl.ops.checks import known_channels, require_image
from resdsl.ops.gradients import per_channel, scaled_gradient, sum_channels
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class FilterResponseNorm(Operator):
    """Each channel of each image divided by the root of its mean square, then a threshold that is learned.

    ``y = max(weight[c] * x / sqrt(mean_{i, j} x[c, i, j]^2 + eps) + bias[c], tau[c])`` (Singh & Krishnan 2020,
    arXiv:1911.09737, equations 1 to 3). It is timm's ``FilterResponseNormTlu2d``, with its tensor names.
    """

    name: ClassVar[str] = "filter_response_norm"
    aliases: ClassVar[tuple[str, ...]] = ("filterresponsenorm", "filterresponsenormtlu2d", "frn")
    drawn_inside: ClassVar[bool] = True
    is_norm: ClassVar[bool] = True
    needs_f32: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("filter_response_norm", (2, 3, 5, 4)),
        Example("filter_response_norm(eps = 1e-3, threshold = false)", (1, 4, 3, 3)),
        Example("filter_response_norm(affine = false, threshold = false)", (2, 3, 5, 4)),
    )

    eps: float = arg(1e-5, doc="added to the mean square before its root is taken", within=(0, 1))
    affine: bool = arg(True, doc="a learned weight and bias for each channel after normalising")
    threshold: bool = arg(True, doc="at least a learned number for each channel, in place of an activation")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "a filter response norm")
        known_channels(x)
        return x

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        tau = ParameterSpec("tau", (known_channels(x),), ZEROS, dtype=x.dtype)
        return (*(weight_and_bias(x) if self.affine else ()), *([tau] if self.threshold else ()))

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        return None

    def label(self) -> str:
        return "FRN"

    def in_torch(self, to: TorchCode) -> str:
        y = f"{to.input} * ({to.input}.square().mean((2, 3), keepdim=True) + {self.eps!r}).rsqrt()"
        if self.affine:
            y = f"{y} * {to.parameter('weight')}[:, None, None] + {to.parameter('bias')}[:, None, None]"
        return f"torch.maximum({y}, {to.parameter('tau')}[:, None, None])" if self.threshold else y

    def lower(self, to: Lowering) -> None:
        (x,) = to.types
        square = to("ReduceMean", to("Mul", to.input, to.input), to.integers((2, 3)))
        y = to("Div", to.input, to("Sqrt", to("Add", square, to.number(self.eps))))
        if self.affine:
            y = to("Mul", y, per_channel(to, to.parameter("weight"), x))
            y = to("Add", y, per_channel(to, to.parameter("bias"), x))
        if self.threshold:
            to("Max", y, per_channel(to, to.parameter("tau"), x))

    def gradient(self, to: Gradient) -> None:
        (x,) = to.types
        gradient = to.gradient
        if self.threshold:
            # Where the value is the threshold, that is what it depends on.
            below = to("Equal", to.output, per_channel(to, to.parameter("tau"), x))
            kept = to("Where", below, to.number(0.0), gradient)
            if to.wants_parameter("tau"):
                to.give_parameter("tau", sum_channels(to, to("Where", below, gradient, to.number(0.0)), 4))
            gradient = kept
        inner = to("Mul", gradient, per_channel(to, to.parameter("weight"), x)) if self.affine else gradient
        z, dx = scaled_gradient(to, to.input, inner, (2, 3), self.eps)
        to.give(dx)
        if to.wants_parameter("weight", "bias"):
            to.give_parameter("weight", sum_channels(to, to("Mul", gradient, z), 4))
            to.give_parameter("bias", sum_channels(to, gradient, 4))
