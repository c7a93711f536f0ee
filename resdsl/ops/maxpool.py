"""Max pooling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator, Ref, TrainingLowering, Window
from resdsl.ir.torch_code import TorchCode, padded, padding, square, unless
from resdsl.ir.types import Sides, Size, TensorType, Word
from resdsl.ops.checks import known_channels, require_image
from resdsl.ops.gradients import pixels_of, shape_of
from resdsl.ops.identity import Identity
from resdsl.ops.pooling import GLOBAL, fits_pool, is_each_pixel, require_pixels, whole_image
from resdsl.ops.signature import arg
from resdsl.ops.windows import PADDINGS, ceil_sides, sides, spacing, window, window_label, windows


@dataclass(frozen=True, slots=True)
class MaxPool(Operator):
    """The largest value in each window: ``y[n, c, i, j] = max_{u, v} x[n, c, s*i + d*u - p, s*j + d*v - p]``.

    Padding never wins. ``maxpool(global)`` gives ``[N, C, 1, 1]``. ``ceil`` is PyTorch's ``ceil_mode``.
    """

    name: ClassVar[str] = "maxpool"
    aliases: ClassVar[tuple[str, ...]] = ("max_pool", "maxpool2d", "maxpooling2d")
    calls: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("adaptivemaxpool2d", "globalmaxpool", "globalmaxpool2d", "globalmaxpooling2d"), "maxpool(global)"
    )
    is_pool: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("maxpool(3x3, stride = 2)", (2, 3, 9, 8)),
        Example("maxpool(3x3, stride = 2, pad = 0, ceil = true)", (1, 3, 8, 10)),
        Example("maxpool(3x3, stride = 2, pad = 1, ceil = true)", (1, 3, 8, 7)),
        Example("maxpool(2x2, stride = 3, pad = 1, ceil = true)", (1, 2, 6, 7)),
        Example("maxpool(3x3, stride = 2, pad = valid, ceil = true)", (1, 2, 2, 2)),
        Example("maxpool(2x3, stride = 2x1)", (1, 2, 6, 5)),
        Example("maxpool(1x1, stride = 2)", (1, 4, 7, 8)),
        Example("maxpool(1x1, stride = 2, ceil = true)", (1, 4, 7, 8)),
        Example("maxpool(3x3, dilation = 2, pad = valid)", (1, 2, 9, 8)),
        Example("maxpool(3x3, dilation = 3)", (1, 2, 9, 8)),
        Example("maxpool(2x2, stride = 3, dilation = 3, ceil = true)", (1, 2, 9, 8)),
        Example("maxpool(3x3, stride = 2, pad = same)", (1, 2, 8, 9), any_size=False),
        Example("maxpool(3x3, pad = [0, 1, 2, 0])", (1, 2, 8, 9)),
        Example("maxpool(global)", (2, 3, 5, 4)),
    )

    kernel: Size | Word = arg(doc="height and width of the window, or the whole image", words=GLOBAL)
    stride: Size = arg(Size(1, 1), doc="step of the window")
    pad: Sides | Word = arg(Word("half"), doc="padding around the input; it is never the maximum", words=PADDINGS)
    dilation: Size = arg(Size(1, 1), doc="distance between the window's points")
    ceil: bool = arg(False, doc="the last window may extend past the padded input")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "a max pool")
        if not isinstance(self.kernel, Size):
            return whole_image(self, x)
        pad = sides(self.pad, x, self.kernel, self.stride, self.dilation)
        rows, columns = windows(x, self.kernel, self.stride, self.dilation, self._reach(x, self.kernel))
        result = x.with_shape(x.shape[0], x.channels, rows, columns)
        require_pixels(x, self.kernel, self.stride, self.dilation, pad, result)
        return result

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        if not isinstance(self.kernel, Size):
            # Explicit, as `super()` without arguments does not work in a dataclass with slots.
            return Operator.window(self, x, result)
        return window(x, self.kernel, self.stride, self.dilation, self.pad)

    def canonical(self, *inputs: TensorType) -> Operator:
        (x,) = inputs
        if not isinstance(self.kernel, Size):
            return Identity() if x.shape[2:] == (1, 1) else self
        pad, dilation = self._reach(x, self.kernel), spacing(self.kernel, self.dilation)
        if is_each_pixel(self.kernel, self.stride, pad):
            return Identity()
        if self.kernel == x.shape[2:] and dilation == Size(1, 1) and not any(pad):
            return MaxPool(Word("global")).canonical(x)
        return replace(self, pad=pad, dilation=dilation, ceil=False)

    def label(self) -> str:
        if not isinstance(self.kernel, Size):
            return "max pool"
        return window_label("max pool", self.kernel, self.stride, self.pad, dilation=self.dilation)

    def in_torch(self, to: TorchCode) -> str:
        if not isinstance(self.kernel, Size):
            return f"{to.module('AdaptiveMaxPool2d', 1)}({to.input})"
        kernel, stride = square(self.kernel), square(self.stride)
        pad = sides(self.pad, to.types[0], self.kernel, self.stride, self.dilation)
        dilation, step = unless(square(self.dilation), 1), unless(stride, kernel)
        if fits_pool(pad, self.kernel):
            ceil = unless(self.ceil, False)
            pool = to.module(
                "MaxPool2d",
                kernel,
                stride=unless(stride, kernel),
                padding=padding(pad),
                dilation=dilation,
                ceil_mode=ceil,
            )
            return f"{pool}({to.input})"
        image = padded(to.input, self._reach(to.types[0], self.kernel), value="float('-inf')")
        return f"{to.module('MaxPool2d', kernel, stride=step, dilation=dilation)}({image})"

    def lower(self, to: Lowering) -> None:
        if not isinstance(self.kernel, Size):
            to("GlobalMaxPool", to.input)
            return
        x, pad = self._padded(to)
        to(
            "MaxPool",
            x,
            kernel_shape=tuple(self.kernel),
            strides=tuple(self.stride),
            pads=tuple(pad),
            dilations=tuple(self.dilation),
        )

    def _padded(self, to: Lowering) -> tuple[Ref, Sides]:
        """The input, and the padding that the pool adds."""
        assert isinstance(self.kernel, Size)
        # Not ONNX's ceil_mode: with wider padding after the input, whole windows are exactly PyTorch's, for any size.
        pad = self._reach(to.types[0], self.kernel)
        if not self._is_written_out(pad):
            return to.input, pad
        around = to.integers((0, 0, *pad[:2], 0, 0, *pad[2:]))
        return to("Pad", to.input, around, to.number(-math.inf), mode="constant"), Sides(0, 0, 0, 0)

    def _is_written_out(self, pad: Sides) -> bool:
        """ONNX Runtime takes no padding as large as the kernel, dilated though that may be."""
        assert isinstance(self.kernel, Size)
        return any(side >= points for side, points in zip(pad, (*self.kernel, *self.kernel), strict=True))

    def lower_training(self, to: TrainingLowering) -> None:
        """Keeps the index of each maximum among all elements of the input, with the padding that is written out."""
        if not isinstance(self.kernel, Size):
            self.lower(to)
            return
        x, pad = self._padded(to)
        y, index = to.several(
            "MaxPool",
            2,
            x,
            kernel_shape=tuple(self.kernel),
            strides=tuple(self.stride),
            pads=tuple(pad),
            dilations=tuple(self.dilation),
        )
        to.keep("index", index)
        to.returns(y)

    def gradient(self, to: Gradient) -> None:
        """Goes to the first pixel of each window that has the maximum, in the order of the rows."""
        (x,) = to.types
        channels, (rows, columns) = known_channels(x), pixels_of(x)
        if not isinstance(self.kernel, Size):
            pixels = to("Reshape", to.input, to.integers((0, 0, -1)))
            place = to("ArgMax", pixels, axis=2, keepdims=1)
            empty = to("Expand", to.number(0.0), to("Shape", pixels))
            upward = to("Reshape", to.gradient, to.integers((0, 0, 1)))
            to.give(to("Reshape", to("ScatterElements", empty, place, upward, axis=2), shape_of(to, x)))
            return
        pad = self._reach(x, self.kernel)
        around = pad if self._is_written_out(pad) else Sides(0, 0, 0, 0)
        whole = (rows + around.top + around.bottom, columns + around.left + around.right)
        batch = to("Shape", to.gradient, end=1)
        size = to("Mul", batch, to.integers((channels * whole[0] * whole[1],)))
        flat = to.integers((-1,))
        index, upward = (to("Reshape", value, flat) for value in (to.kept("index"), to.gradient))
        empty = to("Expand", to.number(0.0), size)
        dx = to("ScatterElements", empty, index, upward, axis=0, reduction="add")
        dx = to("Reshape", dx, to.integers((-1, channels, *whole)))
        if any(around):
            sides = (0, 0, -around.top, -around.left, 0, 0, -around.bottom, -around.right)
            dx = to("Pad", dx, to.integers(sides))
        to.give(dx)

    def _reach(self, x: TensorType, kernel: Size) -> Sides:
        pad = sides(self.pad, x, kernel, self.stride, self.dilation)
        return ceil_sides(pad, kernel, self.stride, self.dilation) if self.ceil else pad
