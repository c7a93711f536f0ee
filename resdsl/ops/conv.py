"""Convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import Dim
from resdsl.ir.initializers import ZEROS, VarianceScaling
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec, Refusal, Window
from resdsl.ir.torch_code import TorchCode, is_symmetric, padded, padding, square, unless
from resdsl.ir.types import Sides, Size, TensorType, Word
from resdsl.ops.checks import known_channels, require_image
from resdsl.ops.conv_gradients import Geometry, input_gradient, weight_gradient
from resdsl.ops.gradients import pixels_of, sum_channels
from resdsl.ops.signature import arg
from resdsl.ops.windows import PADDINGS, sides, spacing, window, window_label, windows


@dataclass(frozen=True, slots=True)
class Conv(Operator):
    """Two-dimensional convolution (cross-correlation) over ``[N, C, H, W]``.

    ``y[n, o, i, j] = bias[o] + sum_{c, u, v} weight[o, c, u, v] * x[n, g(o) + c, s*i + d*u - p, s*j + d*v - p]``, where
    ``g(o)`` is the first channel of the group of ``o``. ``groups = channels`` is a depthwise convolution.
    """

    name: ClassVar[str] = "conv"
    aliases: ClassVar[tuple[str, ...]] = ("conv2d", "convolution")
    counts_as_layer: ClassVar[bool] = True
    input_channels_first: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("conv(8, 7x7, stride = 2)", (1, 3, 32, 30)),
        Example("conv(6, 1x1, bias = true)", (2, 4, 5, 5)),
        Example("conv(8, 3x3, groups = 4)", (1, 4, 9, 9)),
        Example("conv(channels, 3x3, groups = channels, pad = valid)", (1, 4, 9, 9)),
        Example("conv(4, 1x7, pad = 0x3)", (1, 4, 9, 9)),
        Example("conv(4, 3x3, dilation = 2)", (1, 3, 11, 10)),
        Example("conv(4, 3x3, stride = 2, pad = same)", (1, 3, 8, 9), any_size=False),
        Example("conv(4, 3x3, pad = [0, 1, 2, 0])", (1, 3, 8, 9)),
        Example("conv(4, 4x4)", (1, 3, 8, 9)),
    )

    channels: int = arg(doc="channels of the result")
    kernel: Size = arg(doc="height and width of the window")
    stride: Size = arg(Size(1, 1), doc="step of the window")
    pad: Sides | Word = arg(Word("half"), doc="zeros around the input", words=PADDINGS)
    dilation: Size = arg(Size(1, 1), doc="distance between the window's points")
    groups: int = arg(1, doc="the channels are convolved in this many separate groups")
    bias: bool = arg(False, doc="add a learned constant to each channel")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "a convolution")
        channels = known_channels(x)
        for count, what in ((channels, "the input's"), (self.channels, "the result's")):
            if count % self.groups:
                raise Refusal(
                    catalogue.GROUPS,
                    f"{self.groups} groups do not divide {what} {count} channels",
                    argument="groups",
                    helps=(_divisors(channels, self.channels),),
                )
        rows, columns = windows(x, self.kernel, self.stride, self.dilation, self._sides(x))
        return x.with_shape(x.shape[0], self.channels, rows, columns)

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        each, window = known_channels(x) // self.groups, self.kernel.height * self.kernel.width
        # As PyTorch counts: the fan out of all groups together.
        scaled = VarianceScaling(each * window, self.channels * window)
        weight = ParameterSpec("weight", (self.channels, each, *self.kernel), scaled, dtype=x.dtype)
        return (weight, ParameterSpec("bias", (self.channels,), ZEROS, dtype=x.dtype)) if self.bias else (weight,)

    def macs(self, inputs: Sequence[TensorType], result: TensorType) -> Dim:
        _, channels, rows, columns = result.shape
        each = known_channels(inputs[0]) // self.groups * self.kernel.height * self.kernel.width
        return each * channels * rows * columns

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        return window(x, self.kernel, self.stride, self.dilation, self.pad)

    def canonical(self, *inputs: TensorType) -> Conv:
        (x,) = inputs
        return replace(self, pad=self._sides(x), dilation=spacing(self.kernel, self.dilation))

    def label(self) -> str:
        what = f"conv, {self.channels}"
        return window_label(what, self.kernel, self.stride, self.pad, dilation=self.dilation, groups=self.groups)

    def in_torch(self, to: TorchCode) -> str:
        (x,) = to.types
        pad = self._sides(x)
        conv = to.module(
            "Conv2d",
            known_channels(x),
            self.channels,
            square(self.kernel),
            stride=unless(square(self.stride), 1),
            padding=padding(pad) if is_symmetric(pad) else None,
            dilation=unless(square(self.dilation), 1),
            groups=unless(self.groups, 1),
            bias=unless(self.bias, True),
        )
        return f"{conv}({to.input if is_symmetric(pad) else padded(to.input, pad)})"

    def lower(self, to: Lowering) -> None:
        weights = [to.parameter("weight")] + ([to.parameter("bias")] if self.bias else [])
        to(
            "Conv",
            to.input,
            *weights,
            kernel_shape=tuple(self.kernel),
            strides=tuple(self.stride),
            pads=tuple(self._sides(to.types[0])),  # ONNX pads: all begins, then all ends.
            dilations=tuple(self.dilation),
            group=self.groups,
        )

    def gradient(self, to: Gradient) -> None:
        (x,) = to.types
        of = Geometry(
            channels=known_channels(x),
            filters=self.channels,
            groups=self.groups,
            kernel=self.kernel,
            stride=self.stride,
            dilation=spacing(self.kernel, self.dilation),
            pad=self._sides(x),
            size=pixels_of(x),
            result=pixels_of(to.result),
        )
        if to.wants():
            to.give(input_gradient(to, to.parameter("weight"), to.gradient, of))
        if to.wants_parameter("weight"):
            to.give_parameter("weight", weight_gradient(to, to.input, to.gradient, of))
        if to.wants_parameter("bias"):
            to.give_parameter("bias", sum_channels(to, to.gradient, 4))

    def _sides(self, x: TensorType) -> Sides:
        return sides(self.pad, x, self.kernel, self.stride, self.dilation)


def _divisors(channels: int, others: int) -> str:
    """The numbers that divide both; of many, the largest."""
    shared = math.gcd(channels, others)
    what = f"{channels}" if channels == others else f"both {channels} and {others}"
    found = [number for number in range(1, min(shared, 4096) + 1) if shared % number == 0]
    return f"divisors of {what}: {', '.join(str(number) for number in found[-8:])}"
