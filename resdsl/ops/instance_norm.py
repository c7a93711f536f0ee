"""Instance normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec, Window
from resdsl.ir.torch_code import TorchCode, unless
from resdsl.ir.types import TensorType
from resdsl.ops.affine import weight_and_bias
from resdsl.ops.checks import known_channels, require_image
from resdsl.ops.gradients import normalised_gradient, per_channel, sum_channels
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class InstanceNorm(Operator):
    """Each channel of each image normalised by its own mean and variance, as PyTorch's ``InstanceNorm2d``.

    ``y = weight[c] * (x - mean[n, c]) / sqrt(var[n, c] + eps) + bias[c]`` (Ulyanov et al. 2016, arXiv:1607.08022). As
    in PyTorch there is no weight and no bias unless ``affine = true``, and the variance is the biased one.
    """

    name: ClassVar[str] = "instance_norm"
    aliases: ClassVar[tuple[str, ...]] = ("instancenorm", "instancenorm2d")
    drawn_inside: ClassVar[bool] = True
    is_norm: ClassVar[bool] = True
    cancels_bias: ClassVar[bool] = True
    needs_f32: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("instance_norm", (2, 3, 5, 4)),
        Example("instance_norm(affine = true)", (2, 3, 5, 4)),
        Example("instance_norm(eps = 1e-3)", (1, 4, 3, 3)),
    )

    eps: float = arg(1e-5, doc="added to the variance before its root is taken", within=(0, 1))
    affine: bool = arg(False, doc="a learned weight and bias for each channel after normalising")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "an instance norm")
        known_channels(x)
        return x

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        return weight_and_bias(x) if self.affine else ()

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        return None

    def label(self) -> str:
        return "instance norm"

    def in_torch(self, to: TorchCode) -> str:
        channels = known_channels(to.types[0])
        norm = to.module("InstanceNorm2d", channels, eps=unless(self.eps, 1e-5), affine=unless(self.affine, False))
        return f"{norm}({to.input})"

    def lower(self, to: Lowering) -> None:
        channels = known_channels(to.types[0])
        learned = (
            (to.parameter("weight"), to.parameter("bias"))
            if self.affine
            else (to.floats([1] * channels), to.floats([0] * channels))
        )
        to("InstanceNormalization", to.input, *learned, epsilon=self.eps)

    def gradient(self, to: Gradient) -> None:
        (x,) = to.types
        gradient = to("Mul", to.gradient, per_channel(to, to.parameter("weight"), x)) if self.affine else to.gradient
        z, dx = normalised_gradient(to, to.input, gradient, (2, 3), self.eps)
        to.give(dx)
        if to.wants_parameter("weight", "bias"):
            to.give_parameter("weight", sum_channels(to, to("Mul", to.gradient, z), x.rank))
            to.give_parameter("bias", sum_channels(to, to.gradient, x.rank))
