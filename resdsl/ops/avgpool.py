"""Average pooling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator, Window
from resdsl.ir.torch_code import TorchCode, padded, padding, square, unless
from resdsl.ir.types import Sides, Size, TensorType, Word
from resdsl.ops.checks import require_image
from resdsl.ops.gradients import pixels_of, repeated, separable_gradient
from resdsl.ops.identity import Identity
from resdsl.ops.pooling import GLOBAL, fits_pool, is_each_pixel, require_pixels, whole_image
from resdsl.ops.signature import arg
from resdsl.ops.windows import PADDINGS, ceil_sides, sides, window, window_label, windows

if TYPE_CHECKING:
    import numpy as np

_NO_DILATION = Size(1, 1)


@dataclass(frozen=True, slots=True)
class AvgPool(Operator):
    """The mean of each window: ``y[n, c, i, j] = sum_{u, v} x[n, c, s*i + u - p, s*j + v - p] / count``.

    ``count`` is the number of pixels of the window in the padded input, or in the input alone without ``count_pad``
    (TensorFlow counts so). What a window covers beyond the padding with ``ceil`` never counts: ``ceil`` and
    ``count_pad`` are PyTorch's ``ceil_mode`` and ``count_include_pad``. ``avgpool(global)`` gives ``[N, C, 1, 1]``.
    """

    name: ClassVar[str] = "avgpool"
    aliases: ClassVar[tuple[str, ...]] = ("avg_pool", "avgpool2d", "averagepool", "averagepooling2d")
    calls: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("adaptiveavgpool2d", "gap", "globalaveragepool", "globalaveragepooling2d", "globalavgpool", "globalavgpool2d"),
        "avgpool(global)",
    )
    is_pool: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("avgpool(3x3)", (2, 3, 6, 5)),
        Example("avgpool(3x3, count_pad = false)", (2, 3, 6, 5)),
        Example("avgpool(2x2, stride = 2)", (1, 3, 8, 9)),
        Example("avgpool(2x2, stride = 2, ceil = true)", (1, 3, 7, 9)),
        Example("avgpool(3x3, stride = 2, pad = 1, ceil = true)", (1, 2, 8, 6)),
        Example("avgpool(3x3, stride = 2, pad = 1, ceil = true, count_pad = false)", (1, 2, 8, 6)),
        Example("avgpool(2x2, stride = 3, pad = 1, ceil = true)", (1, 2, 6, 7)),
        Example("avgpool(3x2, stride = 1x2, pad = [2, 0, 1, 1])", (1, 2, 5, 6)),
        Example("avgpool(3x3, pad = [0, 1, 2, 0], count_pad = false)", (1, 2, 8, 9)),
        Example("avgpool(3x3, stride = 2, pad = same, count_pad = false)", (1, 2, 8, 9), any_size=False),
        Example("avgpool(7x7, pad = valid)", (2, 4, 7, 7)),
        Example("avgpool(global)", (2, 3, 5, 4)),
    )

    kernel: Size | Word = arg(doc="height and width of the window, or the whole image", words=GLOBAL)
    stride: Size = arg(Size(1, 1), doc="step of the window")
    pad: Sides | Word = arg(Word("half"), doc="zeros around the input", words=PADDINGS)
    ceil: bool = arg(False, doc="the last window may extend past the padded input")
    count_pad: bool = arg(True, doc="the zeros of the padding count in the mean")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "an average pool")
        if not isinstance(self.kernel, Size):
            return whole_image(self, x)
        pad = self._sides(x, self.kernel)
        rows, columns = windows(x, self.kernel, self.stride, _NO_DILATION, self._reach(pad, self.kernel))
        result = x.with_shape(x.shape[0], x.channels, rows, columns)
        require_pixels(x, self.kernel, self.stride, _NO_DILATION, pad, result)
        return result

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        if not isinstance(self.kernel, Size):
            # Explicit, as `super()` without arguments does not work in a dataclass with slots.
            return Operator.window(self, x, result)
        return window(x, self.kernel, self.stride, _NO_DILATION, self.pad)

    def canonical(self, *inputs: TensorType) -> Operator:
        (x,) = inputs
        if not isinstance(self.kernel, Size):
            return Identity() if x.shape[2:] == (1, 1) else self
        pad = self._sides(x, self.kernel)
        reach = self._reach(pad, self.kernel)
        if is_each_pixel(self.kernel, self.stride, reach):
            return Identity()
        if self.kernel == x.shape[2:] and not any(reach):
            return AvgPool(Word("global")).canonical(x)
        if self.count_pad and any(pad):
            return replace(self, pad=pad, ceil=reach != pad)
        return replace(self, pad=reach, ceil=False, count_pad=False)

    def label(self) -> str:
        if not isinstance(self.kernel, Size):
            return "avg pool"
        return window_label("avg pool", self.kernel, self.stride, self.pad)

    def in_torch(self, to: TorchCode) -> str:
        if not isinstance(self.kernel, Size):
            return f"{to.module('AdaptiveAvgPool2d', 1)}({to.input})"
        kernel, stride = square(self.kernel), square(self.stride)
        pad = self._sides(to.types[0], self.kernel)
        if fits_pool(pad, self.kernel):
            pool = to.module(
                "AvgPool2d",
                kernel,
                stride=unless(stride, kernel),
                padding=padding(pad),
                ceil_mode=unless(self.ceil, False),
                count_include_pad=unless(self.count_pad, True),
            )
            return f"{pool}({to.input})"
        # The sum of each window, divided by the sum of the same window over ones where a pixel counts.
        reach = self._reach(pad, self.kernel)
        beyond = self.beyond(to.types[0])
        ones = padded(f"torch.ones_like({to.input}[:1, :1])", pad, value="1.0" if self.count_pad else "")
        sums = (
            f"F.avg_pool2d({padded(image, sides)}, {kernel}, {stride}, divisor_override=1)"
            for image, sides in ((to.input, reach), (ones, beyond))
        )
        return " / ".join(sums)

    def lower(self, to: Lowering) -> None:
        if not isinstance(self.kernel, Size):
            to("GlobalAveragePool", to.input)
            return
        x = to.input
        pad = self._sides(to.types[0], self.kernel)
        # Not ONNX's ceil_mode: with wider padding after the input, whole windows are exactly PyTorch's, for any size.
        reach = self._reach(pad, self.kernel)
        count_pad = self.count_pad and any(pad)
        if count_pad and reach != pad:
            # The declared padding counts and pixels beyond it do not, so the padding becomes part of the image.
            x = to("Pad", x, to.integers((0, 0, *pad[:2], 0, 0, *pad[2:])), to.number(0.0), mode="constant")
            reach, count_pad = self.beyond(to.types[0]), False
        to(
            "AveragePool",
            x,
            kernel_shape=tuple(self.kernel),
            strides=tuple(self.stride),
            pads=tuple(reach),
            count_include_pad=int(count_pad),
        )

    def gradient(self, to: Gradient) -> None:
        (x,) = to.types
        size = pixels_of(x)
        if not isinstance(self.kernel, Size):
            to.give(repeated(to, to("Div", to.gradient, to.number(size[0] * size[1])), x))
            return
        pad = self._sides(x, self.kernel)
        # The count of a window is the product of its rows and columns, so the mean is one of rows, then one of columns.
        rows, columns = (
            self._mean(size[axis], self.kernel[axis], axis, pad[axis], pad[axis + 2], places)
            for axis, places in enumerate(pixels_of(to.result))
        )
        to.give(separable_gradient(to, to.gradient, rows, columns))

    def _mean(self, size: int, kernel: int, axis: int, before: int, after: int, places: int) -> np.ndarray:
        """``[places, size]``: what each pixel adds to the mean of each window, along one axis."""
        import numpy as np

        pixels = np.arange(-before, size + after)
        starts = np.arange(places)[:, None] * self.stride[axis] - before
        covered = (pixels >= starts) & (pixels < starts + kernel)
        inside = (pixels >= 0) & (pixels < size)
        counts = (covered if self.count_pad else covered & inside).sum(1, keepdims=True)
        mean: np.ndarray = (covered / counts)[:, inside]
        return mean

    def beyond(self, x: TensorType) -> Sides:
        """What the windows of ``ceil`` cover outside of the padded input, which never counts."""
        if not isinstance(self.kernel, Size):
            return Sides(0, 0, 0, 0)
        pad = self._sides(x, self.kernel)
        return Sides(*(far - near for far, near in zip(self._reach(pad, self.kernel), pad, strict=True)))

    def _sides(self, x: TensorType, kernel: Size) -> Sides:
        return sides(self.pad, x, kernel, self.stride, _NO_DILATION)

    def _reach(self, pad: Sides, kernel: Size) -> Sides:
        return ceil_sides(pad, kernel, self.stride, _NO_DILATION) if self.ceil else pad
