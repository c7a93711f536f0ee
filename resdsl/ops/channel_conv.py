"""Convolution along the channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import Dim
from resdsl.ir.initializers import VarianceScaling
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec, Refusal
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known, known_channels, require_channels
from resdsl.ops.gradients import shape_of
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class ChannelConv(Operator):
    """A one-dimensional convolution along the channels, of ``[N, C]`` or of an image of one pixel, ``[N, C, 1, 1]``.

    ``y[n, c] = sum_u weight[0, 0, u] * x[n, c + u - kernel // 2]``, where channels that do not exist are 0. The weight
    is that of PyTorch's ``Conv1d(1, 1, kernel)`` (efficient channel attention, arXiv:1910.03151, section 3.2).
    """

    name: ClassVar[str] = "channel_conv"
    aliases: ClassVar[tuple[str, ...]] = ("conv1d",)
    counts_as_layer: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("channel_conv", (2, 8, 1, 1), any_size=False),
        Example("channel_conv(5)", (1, 6, 1, 1), any_size=False),
        Example("channel_conv(kernel = 7)", (2, 3)),
        Example("channel_conv(1)", (3, 8)),
    )

    kernel: int = arg(3, doc="number of channels in the window, which is centred on the channel itself; odd")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_channels(x, "a convolution along channels")
        known_channels(x)
        help_ = "write `avgpool(global)` before it, or use `conv`"
        pixels = [known(size, "the size of the image", helps=(help_,)) for size in x.shape[2:]]
        if pixels != [1] * len(pixels):
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                f"a convolution along channels works on one pixel, and gets {x}",
                helps=(help_,),
            )
        if self.kernel % 2 == 0:
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                f"{self.kernel} channels have no middle one",
                argument="kernel",
                helps=(f"an odd number: {self.kernel - 1} or {self.kernel + 1}",),
            )
        return x

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        scaled = VarianceScaling(self.kernel, self.kernel)
        return (ParameterSpec("weight", (1, 1, self.kernel), scaled, dtype=x.dtype),)

    def macs(self, inputs: Sequence[TensorType], result: TensorType) -> Dim:
        return self.kernel * known_channels(result)

    def label(self) -> str:
        return f"channel conv, {self.kernel}"

    def in_torch(self, to: TorchCode) -> str:
        conv = to.module("Conv1d", 1, 1, self.kernel, padding=self.kernel // 2, bias=False)
        return f"{conv}({to.input}.flatten(1).unsqueeze(1)).view_as({to.input})"

    def lower(self, to: Lowering) -> None:
        (x,) = to.types
        channels, half = known_channels(x), self.kernel // 2
        line = to("Reshape", to.input, to.integers((0, 1, channels)))
        y = to("Conv", line, to.parameter("weight"), kernel_shape=(self.kernel,), pads=(half, half))
        to("Reshape", y, to.integers((0, channels, *(1,) * (x.rank - 2))))

    def gradient(self, to: Gradient) -> None:
        (x,) = to.types
        channels, half = known_channels(x), self.kernel // 2
        line = to.integers((0, 1, channels))
        gradient = to("Reshape", to.gradient, line)
        if to.wants():
            first, last, axis, back = (to.integers((number,)) for number in (-1, -self.kernel - 1, 2, -1))
            mirrored = to("Slice", to.parameter("weight"), first, last, axis, back)
            dx = to("Conv", gradient, mirrored, kernel_shape=(self.kernel,), pads=(half, half))
            to.give(to("Reshape", dx, shape_of(to, x)))
        if to.wants_parameter("weight"):
            # The images as channels of one image: their products with each place of the window are summed over all.
            beside = to.integers((1, -1, channels))
            image = to("Pad", to("Reshape", to.input, beside), to.integers((0, 0, half, 0, 0, half)))
            change = to("Reshape", to.gradient, beside)
            products = [
                to(
                    "ReduceSum",
                    to(
                        "Mul",
                        to("Slice", image, to.integers((u,)), to.integers((u + channels,)), to.integers((2,))),
                        change,
                    ),
                    to.integers((1, 2)),
                    keepdims=1,
                )
                for u in range(self.kernel)
            ]
            to.give_parameter("weight", to("Concat", *products, axis=2) if len(products) > 1 else products[0])
