"""Batch normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.initializers import ONES, ZEROS
from resdsl.ir.operator import Example, Lowering, Operator, ParameterSpec
from resdsl.ir.torch_code import TorchCode, unless
from resdsl.ir.types import TensorType
from resdsl.ops.affine import weight_and_bias
from resdsl.ops.checks import known_channels, require_channels
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class BatchNorm(Operator):
    """Batch normalisation with the statistics that training gathered, over ``[N, C]`` or ``[N, C, H, W]``.

    ``y = weight[c] * (x - running_mean[c]) / sqrt(running_var[c] + eps) + bias[c]`` (Ioffe & Szegedy 2015,
    arXiv:1502.03167, algorithm 2). The statistics are buffers: they are stored with the weights and not trained.
    """

    name: ClassVar[str] = "bn"
    aliases: ClassVar[tuple[str, ...]] = ("batch_norm", "batchnorm", "batchnorm2d")
    drawn_inside: ClassVar[bool] = True
    is_norm: ClassVar[bool] = True
    cancels_bias: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("bn", (2, 3, 5, 4)),
        Example("bn(eps = 1e-3)", (2, 3, 5, 4)),
        Example("bn(affine = false)", (2, 3, 5, 4)),
        Example("bn", (3, 7)),
    )

    eps: float = arg(1e-5, doc="added to the variance before its root is taken", within=(0, 1))
    affine: bool = arg(True, doc="a learned weight and bias for each channel after normalising")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_channels(x, "a batch norm")
        known_channels(x)
        return x

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        shape = (known_channels(x),)
        statistics = (
            ParameterSpec("running_mean", shape, ZEROS, trainable=False, dtype=x.dtype),
            ParameterSpec("running_var", shape, ONES, trainable=False, dtype=x.dtype),
        )
        return weight_and_bias(x) + statistics if self.affine else statistics

    def label(self) -> str:
        return "batch norm"

    def in_torch(self, to: TorchCode) -> str:
        (x,) = to.types
        name = "BatchNorm2d" if x.rank == 4 else "BatchNorm1d"
        norm = to.module(name, known_channels(x), eps=unless(self.eps, 1e-5), affine=unless(self.affine, True))
        return f"{norm}({to.input})"

    def lower(self, to: Lowering) -> None:
        channels = known_channels(to.types[0])
        names = ("weight", "bias") if self.affine else ()
        learned = [to.parameter(name) for name in names] or [to.floats([1] * channels), to.floats([0] * channels)]
        statistics = (to.parameter("running_mean"), to.parameter("running_var"))
        to("BatchNormalization", to.input, *learned, *statistics, epsilon=self.eps)
