"""Group normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec, Window
from resdsl.ir.torch_code import TorchCode, unless
from resdsl.ir.types import TensorType
from resdsl.ops.affine import weight_and_bias
from resdsl.ops.checks import known_channels, require_channels, require_groups
from resdsl.ops.gradients import normalised_gradient, per_channel, shape_of, sum_channels
from resdsl.ops.pixels import with_pixels
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class GroupNorm(Operator):
    """Each group of channels of each image normalised by its own mean and variance, as PyTorch's ``GroupNorm``.

    ``y = weight[c] * (x - mean[n, g]) / sqrt(var[n, g] + eps) + bias[c]``, where ``g`` is the group of channel ``c``
    (Wu & He 2018, arXiv:1803.08494, section 3.1).
    """

    name: ClassVar[str] = "group_norm"
    aliases: ClassVar[tuple[str, ...]] = ("groupnorm", "gn")
    drawn_inside: ClassVar[bool] = True
    is_norm: ClassVar[bool] = True
    needs_f32: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("group_norm(2)", (2, 6, 5, 4)),
        Example("group_norm(groups = 1, eps = 1e-3)", (1, 4, 3, 3)),
        Example("group_norm(channels, affine = false)", (2, 3, 5, 4)),
        Example("group_norm(3)", (2, 12)),
    )

    groups: int = arg(doc="the channels are normalised in this many separate groups")
    eps: float = arg(1e-5, doc="added to the variance before its root is taken", within=(0, 1))
    affine: bool = arg(True, doc="a learned weight and bias for each channel after normalising")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_channels(x, "a group norm")
        require_groups(x, self.groups)
        return x

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        return weight_and_bias(x) if self.affine else ()

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        return None

    def label(self) -> str:
        return f"group norm, {self.groups}"

    def in_torch(self, to: TorchCode) -> str:
        channels = known_channels(to.types[0])
        norm = to.module(
            "GroupNorm", self.groups, channels, eps=unless(self.eps, 1e-5), affine=unless(self.affine, True)
        )
        return f"{norm}({to.input})"

    def lower(self, to: Lowering) -> None:
        # ONNX's GroupNormalization has a weight for each group in set 18 and for each channel from set 21 on, so one
        # lowering cannot serve both. Each group becomes one channel of an instance norm, which is one kernel.
        (x,) = to.types
        grouped = to("Reshape", to.input, to.integers((0, self.groups, -1)))
        ones, zeros = to.floats([1] * self.groups), to.floats([0] * self.groups)
        normalised = to("InstanceNormalization", grouped, ones, zeros, epsilon=self.eps)
        y = with_pixels(to, normalised, known_channels(x))
        if self.affine:
            each = to.integers((known_channels(x), *(1,) * (x.rank - 2)))
            weight, bias = (to("Reshape", to.parameter(name), each) for name in ("weight", "bias"))
            to("Add", to("Mul", y, weight), bias)

    def gradient(self, to: Gradient) -> None:
        (x,) = to.types
        grouped = to.integers((0, self.groups, -1))
        gradient = to("Mul", to.gradient, per_channel(to, to.parameter("weight"), x)) if self.affine else to.gradient
        values = [to("Reshape", value, grouped) for value in (to.input, gradient)]
        z, dx = (
            to("Reshape", value, shape_of(to, x))
            for value in normalised_gradient(to, values[0], values[1], (2,), self.eps)
        )
        to.give(dx)
        if to.wants_parameter("weight", "bias"):
            to.give_parameter("weight", sum_channels(to, to("Mul", to.gradient, z), x.rank))
            to.give_parameter("bias", sum_channels(to, to.gradient, x.rank))
