"""Root mean square normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.initializers import ONES
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec
from resdsl.ir.torch_code import TorchCode, unless
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known_channels, require_channels
from resdsl.ops.gradients import per_channel, scaled_gradient, sum_channels
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class RmsNorm(Operator):
    """A layer norm without its mean and its bias, over the channels of ``[N, C]`` or of each pixel of ``[N, C, H, W]``.

    ``y = weight[c] * x / sqrt(mean_k x[k]^2 + eps)`` (Zhang & Sennrich 2019, arXiv:1910.07467, equation 4). It is
    PyTorch's ``RMSNorm(C)`` for ``[N, C]``, and for images timm's ``RmsNorm2d``.
    """

    name: ClassVar[str] = "rms_norm"
    aliases: ClassVar[tuple[str, ...]] = ("rmsnorm", "rmsnorm2d")
    drawn_inside: ClassVar[bool] = True
    is_norm: ClassVar[bool] = True
    needs_f32: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("rms_norm", (2, 5, 3, 4)),
        Example("rms_norm(eps = 1e-3)", (1, 8, 4, 3)),
        Example("rms_norm(affine = false)", (2, 5, 3, 4)),
        Example("rms_norm", (3, 7)),
    )

    eps: float = arg(1e-6, doc="added to the mean square before its root is taken", within=(0, 1))
    affine: bool = arg(True, doc="a learned weight for each channel after normalising")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_channels(x, "a root mean square norm")
        known_channels(x)
        return x

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        return (ParameterSpec("weight", (known_channels(x),), ONES, dtype=x.dtype),) if self.affine else ()

    def label(self) -> str:
        return "RMS norm"

    def in_torch(self, to: TorchCode) -> str:
        (x,) = to.types
        norm = to.module("RMSNorm", known_channels(x), eps=self.eps, elementwise_affine=unless(self.affine, True))
        return f"{norm}({to.input})" if x.rank == 2 else f"{norm}({to.input}.movedim(1, -1)).movedim(-1, 1)"

    def lower(self, to: Lowering) -> None:
        # ONNX has an operator of its own for it from set 23 on.
        square = to("ReduceMean", to("Mul", to.input, to.input), to.integers((1,)))
        y = to("Div", to.input, to("Sqrt", to("Add", square, to.number(self.eps))))
        if self.affine:
            to("Mul", y, per_channel(to, to.parameter("weight"), to.types[0]))

    def gradient(self, to: Gradient) -> None:
        (x,) = to.types
        gradient = to("Mul", to.gradient, per_channel(to, to.parameter("weight"), x)) if self.affine else to.gradient
        z, dx = scaled_gradient(to, to.input, gradient, (1,), self.eps)
        to.give(dx)
        if to.wants_parameter("weight"):
            to.give_parameter("weight", sum_channels(to, to("Mul", to.gradient, z), x.rank))
