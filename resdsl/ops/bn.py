"""Batch normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.initializers import ONES, ZEROS
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec, TrainingLowering
from resdsl.ir.torch_code import TorchCode, unless
from resdsl.ir.types import TensorType
from resdsl.ops.affine import weight_and_bias
from resdsl.ops.checks import known_channels, require_channels
from resdsl.ops.gradients import per_channel, sum_channels
from resdsl.ops.signature import arg

_MOMENTUM = 0.1
"""How far the statistics of a batch move the running ones: PyTorch's default."""


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

    def lower_training(self, to: TrainingLowering) -> None:
        """Normalises with the statistics of the batch (algorithm 1), which move the running ones."""
        if to.is_frozen:
            self.lower(to)
            return
        (x,) = to.types
        over = to.integers((0, *range(2, x.rank)))
        mean = to("ReduceMean", to.input, over, keepdims=0)
        centred = to("Sub", to.input, per_channel(to, mean, x))
        variance = to("ReduceMean", to("Mul", centred, centred), over, keepdims=0)
        to.keep("mean", mean)
        to.keep("variance", variance)
        channels = known_channels(x)
        learned = (
            (to.parameter("weight"), to.parameter("bias"))
            if self.affine
            else (to.floats([1] * channels), to.floats([0] * channels))
        )
        to.returns(to("BatchNormalization", to.input, *learned, mean, variance, epsilon=self.eps))
        # As PyTorch, the running variance is the unbiased one.
        elements = to("Div", to("Cast", to("Size", to.input), to=1), to.number(channels))
        unbiased = to("Mul", variance, to("Div", elements, to("Max", to("Sub", elements, to.number(1)), to.number(1))))
        for name, value in (("running_mean", mean), ("running_var", unbiased)):
            old, new = to.number(1 - _MOMENTUM), to.number(_MOMENTUM)
            to.update(name, to("Add", to("Mul", to.parameter(name), old), to("Mul", value, new)))

    def gradient(self, to: Gradient) -> None:
        """``dx = weight / s * (g - mean(g) - z * mean(g * z))`` with ``s = sqrt(var + eps)``, ``z = (x - mean) / s``;
        with frozen statistics ``weight / s * g``.
        """
        (x,) = to.types
        mean = to.parameter("running_mean") if to.is_frozen else to.kept("mean")
        variance = to.parameter("running_var") if to.is_frozen else to.kept("variance")
        inverse = to("Reciprocal", to("Sqrt", to("Add", variance, to.number(self.eps))))
        scale = to("Mul", inverse, to.parameter("weight")) if self.affine else inverse
        if to.is_frozen and not to.wants_parameter("weight", "bias"):
            to.give(to("Mul", to.gradient, per_channel(to, scale, x)))
            return
        centred = to("Sub", to.input, per_channel(to, mean, x))
        total = sum_channels(to, to.gradient, x.rank)
        along = to("Mul", sum_channels(to, to("Mul", to.gradient, centred), x.rank), inverse)
        to.give_parameter("bias", total)
        to.give_parameter("weight", along)
        if not to.wants():
            return
        if to.is_frozen:
            to.give(to("Mul", to.gradient, per_channel(to, scale, x)))
            return
        elements = to("Div", to("Cast", to("Size", to.input), to=1), to.number(known_channels(x)))
        # scale * g - centred * (scale * inverse * along / elements) - scale * total / elements
        slope = to("Mul", scale, to("Mul", inverse, to("Div", along, elements)))
        offset = to("Mul", scale, to("Div", total, elements))
        scaled = to("Sub", to("Mul", to.gradient, per_channel(to, scale, x)), per_channel(to, offset, x))
        to.give(to("Sub", scaled, to("Mul", centred, per_channel(to, slope, x))))
