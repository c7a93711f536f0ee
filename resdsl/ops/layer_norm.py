"""Layer normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec
from resdsl.ir.torch_code import TorchCode, unless
from resdsl.ir.types import TensorType
from resdsl.ops.affine import weight_and_bias
from resdsl.ops.checks import known_channels, require_channels
from resdsl.ops.gradients import normalised_gradient, per_channel, sum_channels
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class LayerNorm(Operator):
    """Layer normalisation over the channels, of ``[N, C]`` or at each pixel of ``[N, C, H, W]``.

    ``y = weight[c] * (x - mean) / sqrt(var + eps) + bias[c]`` with the mean and the variance of the channels (Ba et al.
    2016, arXiv:1607.06450, equation 4). It is PyTorch's ``LayerNorm(C)`` for ``[N, C]``, and for images ConvNeXt's
    channels-first one, timm's ``LayerNorm2d`` (whose ``eps`` is ``1e-6``).
    """

    name: ClassVar[str] = "layer_norm"
    aliases: ClassVar[tuple[str, ...]] = ("layernorm", "layernorm2d", "ln")
    drawn_inside: ClassVar[bool] = True
    is_norm: ClassVar[bool] = True
    needs_f32: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("layer_norm", (2, 5, 3, 4)),
        Example("layer_norm(eps = 1e-6)", (1, 8, 4, 3)),
        Example("layer_norm(affine = false)", (2, 5, 3, 4)),
        Example("layer_norm", (3, 7)),
        Example("layer_norm(affine = false)", (3, 7)),
    )

    eps: float = arg(1e-5, doc="added to the variance before its root is taken", within=(0, 1))
    affine: bool = arg(True, doc="a learned weight and bias for each channel after normalising")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_channels(x, "a layer norm")
        known_channels(x)
        return x

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        return weight_and_bias(x) if self.affine else ()

    def label(self) -> str:
        return "layer norm"

    def in_torch(self, to: TorchCode) -> str:
        (x,) = to.types
        affine = unless(self.affine, True)
        norm = to.module("LayerNorm", known_channels(x), eps=unless(self.eps, 1e-5), elementwise_affine=affine)
        return f"{norm}({to.input})" if x.rank == 2 else f"{norm}({to.input}.movedim(1, -1)).movedim(-1, 1)"

    def lower(self, to: Lowering) -> None:
        (type_,) = to.types
        learned = (
            (to.parameter("weight"), to.parameter("bias")) if self.affine else (to.floats([1] * known_channels(type_)),)
        )
        if type_.rank == 2:
            to("LayerNormalization", to.input, *learned, axis=-1, epsilon=self.eps)
            return
        # Channels last and back again: on a CPU the two transposes and ONNX Runtime's one kernel take about 0.65 of the
        # time of the same norm written out with ReduceMean for one image, and as long for a batch of 8.
        last = type_.rank - 1
        x = to("Transpose", to.input, perm=(0, *range(2, last + 1), 1))
        y = to("LayerNormalization", x, *learned, axis=-1, epsilon=self.eps)
        to("Transpose", y, perm=(0, last, *range(1, last)))

    def gradient(self, to: Gradient) -> None:
        (x,) = to.types
        gradient = to("Mul", to.gradient, per_channel(to, to.parameter("weight"), x)) if self.affine else to.gradient
        z, dx = normalised_gradient(to, to.input, gradient, (1,), self.eps)
        to.give(dx)
        if to.wants_parameter("weight", "bias"):
            to.give_parameter("weight", sum_channels(to, to("Mul", to.gradient, z), x.rank))
            to.give_parameter("bias", sum_channels(to, to.gradient, x.rank))
