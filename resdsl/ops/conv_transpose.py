"""Transposed convolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import Dim
from resdsl.ir.initializers import ZEROS, VarianceScaling
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec, Ref, Refusal, Steps, Window
from resdsl.ir.torch_code import TorchCode, is_symmetric, padded, padding, square, unless
from resdsl.ir.types import Sides, Size, TensorType, Word
from resdsl.ops.checks import known_channels, require_image
from resdsl.ops.conv_gradients import Geometry, weight_gradient
from resdsl.ops.gradients import pixels_of, sum_channels
from resdsl.ops.signature import arg
from resdsl.ops.windows import extent, sides, size_label, spacing


@dataclass(frozen=True, slots=True)
class ConvTranspose(Operator):
    """Two-dimensional transposed convolution over ``[N, C, H, W]``, as PyTorch's ``ConvTranspose2d``.

    Pixel ``(i, j)`` of channel ``c`` adds ``weight[c, o, u, v] * x[n, c, i, j]`` to pixel ``(s*i + d*u - p, s*j + d*v -
    p)`` of channel ``o`` of its group. The result has ``s * (H - 1) + d * (k - 1) + 1 + output_pad`` rows, less the
    padding above and below: with ``pad = half``, the default, a stride of 2 doubles the size for kernels of 2 and 4,
    and for 3 with ``output_pad = 1``. The weight is stored as ``[C, channels / groups, height, width]``.
    """

    name: ClassVar[str] = "conv_transpose"
    aliases: ClassVar[tuple[str, ...]] = ("conv_transpose2d", "convtranspose2d", "deconv", "deconvolution", "upconv")
    counts_as_layer: ClassVar[bool] = True
    input_channels_first: ClassVar[bool] = True
    enlarges: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("conv_transpose(4, 2x2, stride = 2)", (2, 3, 4, 5)),
        Example("conv_transpose(4, 3x3, stride = 2, output_pad = 1)", (1, 3, 4, 5)),
        Example("conv_transpose(6, 4x4, stride = 2, groups = 2, bias = true)", (1, 4, 3, 4)),
        Example("conv_transpose(4, 3x3)", (2, 3, 4, 5)),
        Example("conv_transpose(2, 3x3, stride = 3, pad = valid, dilation = 2)", (1, 2, 3, 4)),
        Example("conv_transpose(2, 3x2, stride = 2x3, pad = [0, 1, 1, 0], output_pad = 1x2)", (1, 2, 3, 4)),
        Example("conv_transpose(channels, 4x4, stride = 2, groups = channels)", (1, 3, 3, 4)),
    )

    channels: int = arg(doc="channels of the result")
    kernel: Size = arg(doc="height and width of the window")
    stride: Size = arg(Size(1, 1), doc="step of the window over the result")
    pad: Sides | Word = arg(Word("half"), doc="pixels taken off each side of the result", words=("half", "valid"))
    output_pad: Size = arg(Size(0, 0), doc="rows and columns added below and to the right of the result", at_least=0)
    dilation: Size = arg(Size(1, 1), doc="distance between the window's points")
    groups: int = arg(1, doc="the channels are convolved in this many separate groups")
    bias: bool = arg(False, doc="add a learned constant to each channel")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "a transposed convolution")
        for count, what in ((known_channels(x), "the input's"), (self.channels, "the result's")):
            if count % self.groups:
                raise Refusal(
                    catalogue.GROUPS,
                    f"{self.groups} groups do not divide {what} {count} channels",
                    argument="groups",
                )
        top, left, bottom, right = self._sides(x)
        rows = self._size(x.shape[2], 0, top + bottom)
        columns = self._size(x.shape[3], 1, left + right)
        return x.with_shape(x.shape[0], self.channels, rows, columns)

    def _size(self, size: Dim, axis: int, pad: int) -> Dim:
        kernel, stride, dilation, more = (
            one[axis] for one in (self.kernel, self.stride, self.dilation, self.output_pad)
        )
        if more >= max(stride, dilation):
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                f"an `output_pad` of {more} needs a larger stride or dilation",
                argument="output_pad",
                helps=(f"at most {max(stride, dilation) - 1}",),
            )
        result = stride * (size - 1) + extent(kernel, dilation) + more - pad
        if isinstance(result, int) and result < 1:
            raise Refusal(
                catalogue.PADDING_TOO_LARGE,
                f"the padding takes off {pad} of {result + pad} {('rows', 'columns')[axis]}",
                argument="pad",
                helps=("less padding, a larger kernel, or a larger input",),
            )
        return result

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        channels, each = known_channels(x), self.channels // self.groups
        window = self.kernel.height * self.kernel.width
        # Each pixel of the result sums over one point in `stride` of the window.
        fan_in = channels // self.groups * window // (self.stride.height * self.stride.width)
        weight = ParameterSpec(
            "weight", (channels, each, *self.kernel), VarianceScaling(max(1, fan_in), each * window), dtype=x.dtype
        )
        return (weight, ParameterSpec("bias", (self.channels,), ZEROS, dtype=x.dtype)) if self.bias else (weight,)

    def macs(self, inputs: Sequence[TensorType], result: TensorType) -> Dim:
        _, channels, rows, columns = inputs[0].shape
        each = self.channels // self.groups * self.kernel.height * self.kernel.width
        return each * channels * rows * columns

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        if self.stride != Size(1, 1):
            return None
        # It is then a convolution with the window mirrored, so that its last point is its first.
        pad = self._sides(x)
        before = [extent(self.kernel[axis], self.dilation[axis]) - 1 - pad[axis] for axis in (0, 1)]
        rows, columns = (Steps(self.kernel[axis], 1, self.dilation[axis], before[axis]) for axis in (0, 1))
        return Window(rows, columns)

    def canonical(self, *inputs: TensorType) -> ConvTranspose:
        (x,) = inputs
        return replace(self, pad=self._sides(x), dilation=spacing(self.kernel, self.dilation))

    def label(self) -> str:
        times = "" if self.stride == Size(1, 1) else f", x{size_label(self.stride)}"
        return f"{self.kernel} transposed conv, {self.channels}{times}"

    def in_torch(self, to: TorchCode) -> str:
        (x,) = to.types
        pad = self._sides(x)
        conv = to.module(
            "ConvTranspose2d",
            known_channels(x),
            self.channels,
            square(self.kernel),
            stride=unless(square(self.stride), 1),
            padding=padding(pad) if is_symmetric(pad) else None,
            output_padding=unless(square(self.output_pad), 0),
            dilation=unless(square(self.dilation), 1),
            groups=unless(self.groups, 1),
            bias=unless(self.bias, True),
        )
        y = f"{conv}({to.input})"
        return y if is_symmetric(pad) else padded(y, Sides(*(-side for side in pad)))

    def lower(self, to: Lowering) -> None:
        weights = [to.parameter("weight")] + ([to.parameter("bias")] if self.bias else [])
        to(
            "ConvTranspose",
            to.input,
            *weights,
            kernel_shape=tuple(self.kernel),
            strides=tuple(self.stride),
            pads=tuple(self._sides(to.types[0])),  # ONNX pads: all begins, then all ends.
            output_padding=tuple(self.output_pad),
            dilations=tuple(self.dilation),
            group=self.groups,
        )

    def gradient(self, to: Gradient) -> None:
        """A convolution backwards is a transposed one, so that here the gradient of the input is a convolution."""
        (x,) = to.types
        of = Geometry(
            channels=self.channels,
            filters=known_channels(x),
            groups=self.groups,
            kernel=self.kernel,
            stride=self.stride,
            dilation=spacing(self.kernel, self.dilation),
            pad=self._sides(x),
            size=pixels_of(to.result),
            result=pixels_of(x),
        )
        if to.wants():
            to.give(
                to(
                    "Conv",
                    self._cropped(to, of),
                    to.parameter("weight"),
                    kernel_shape=tuple(self.kernel),
                    strides=tuple(self.stride),
                    dilations=tuple(self.dilation),
                    group=self.groups,
                )
            )
        if to.wants_parameter("weight"):
            to.give_parameter("weight", weight_gradient(to, to.gradient, to.input, of))
        if to.wants_parameter("bias"):
            to.give_parameter("bias", sum_channels(to, to.gradient, 4))

    def _cropped(self, to: Gradient, of: Geometry) -> Ref:
        """The gradient with the padding that was taken off, and without what no pixel of the input reaches."""
        pads = (0, 0, of.pad.top, of.pad.left, 0, 0, of.cropped(0), of.cropped(1))
        return to("Pad", to.gradient, to.integers(pads), to.number(0.0), mode="constant") if any(pads) else to.gradient

    def _sides(self, x: TensorType) -> Sides:
        return sides(self.pad, x, self.kernel, self.stride, self.dilation)
