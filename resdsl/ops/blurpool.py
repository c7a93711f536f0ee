"""Subsampling behind a blur."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, Refusal, Window
from resdsl.ir.torch_code import TorchCode, padded, square
from resdsl.ir.types import Sides, Size, TensorType, Word
from resdsl.ops.checks import known_channels, require_image
from resdsl.ops.gradients import pixels_of, separable_gradient
from resdsl.ops.pooling import require_pixels
from resdsl.ops.signature import arg
from resdsl.ops.windows import PADDINGS, counted, sides, window, window_label, windows

if TYPE_CHECKING:
    import numpy as np

_NO_DILATION = Size(1, 1)
_LARGEST = 7
"""The filters of arXiv:1904.11486 have 2 to 7 points."""


@dataclass(frozen=True, slots=True)
class BlurPool(Operator):
    """A binomial filter on each channel, subsampled: it changes little when the input moves by a pixel.

    ``y[n, c, i, j] = sum_{u, v} b[u] * b[v] * x[n, c, s*i + u - p, s*j + v - p]`` with
    ``b[u] = binomial(kernel - 1, u) / 2^(kernel - 1)``, so ``[1, 2, 1] / 4`` for 3 points (Zhang 2019,
    arXiv:1904.11486, section 3.2). The padding mirrors the image without its border pixel, as timm's ``BlurPool2d``.
    """

    name: ClassVar[str] = "blurpool"
    aliases: ClassVar[tuple[str, ...]] = ("blur_pool", "blurpool2d", "blurpool2d_same")
    examples: ClassVar[tuple[Example, ...]] = (
        Example("blurpool", (2, 3, 8, 7)),
        Example("blurpool(5, stride = 2x1)", (1, 2, 9, 8)),
        Example("blurpool(2, stride = 3)", (1, 2, 7, 8)),
        Example("blurpool(4, pad = [1, 1, 2, 2])", (1, 3, 8, 9)),
        Example("blurpool(edge = zero)", (2, 3, 8, 7)),
        Example("blurpool(4, pad = 3, edge = zero)", (1, 2, 5, 2)),
        Example("blurpool(3, pad = valid)", (1, 2, 9, 8)),
        Example("blurpool(3, pad = same)", (1, 2, 8, 9), any_size=False),
    )

    kernel: int = arg(3, doc="height and width of the filter, from 2 to 7", at_least=2)
    stride: Size = arg(Size(2, 2), doc="step of the window")
    pad: Sides | Word = arg(Word("half"), doc="pixels around the input", words=PADDINGS)
    edge: Word = arg(
        Word("reflect"), doc="what the padding repeats: the mirrored image, or 0", words=("reflect", "zero")
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "a blur pool")
        channels = known_channels(x)
        if self.kernel > _LARGEST:
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                f"a blur has at most {_LARGEST} points, and this one has {self.kernel}",
                argument="kernel",
                helps=(f"a kernel from 2 to {_LARGEST}",),
            )
        pad = self._sides(x)
        if self.edge == "reflect":
            for dim, side, axis in zip(x.shape[2:] * 2, pad, ("row", "column") * 2, strict=True):
                # Behind the last pixel the mirror image ends.
                if isinstance(dim, int) and side >= dim:
                    raise Refusal(
                        catalogue.PADDING_TOO_LARGE,
                        f"{counted(side, axis)} of padding mirror as many behind the border, and the input has {dim}",
                        argument="pad",
                        helps=("less padding, a larger input, or `edge = zero`",),
                    )
        rows, columns = windows(x, self._kernel, self.stride, _NO_DILATION, pad)
        result = x.with_shape(x.shape[0], channels, rows, columns)
        require_pixels(x, self._kernel, self.stride, _NO_DILATION, pad, result)
        return result

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        pad = self._sides(x)
        if self.edge == "reflect" and 2 * max(pad) >= self.kernel:
            return None  # what the window mirrors can lie outside of it
        return window(x, self._kernel, self.stride, _NO_DILATION, pad)

    def canonical(self, *inputs: TensorType) -> BlurPool:
        (x,) = inputs
        pad = self._sides(x)
        return replace(self, pad=pad, edge=self.edge if any(pad) else Word("zero"))

    def label(self) -> str:
        return window_label("blur pool", self._kernel, self.stride, self.pad)

    def in_torch(self, to: TorchCode) -> str:
        (type_,) = to.types
        channels, line = known_channels(type_), self._line()
        pad = self._sides(type_)
        x = padded(to.input, pad)
        if x != to.input and self.edge == "reflect":
            x = f"{x[:-1]}, mode='reflect')"
        points = f"torch.tensor({line}, dtype={to.input}.dtype, device={to.input}.device)"
        filters = f"torch.outer({points}, {points}).expand({channels}, 1, -1, -1)"
        return f"F.conv2d({x}, {filters}, stride={square(self.stride)}, groups={channels})"

    def lower(self, to: Lowering) -> None:
        (type_,) = to.types
        x, pad = to.input, self._sides(type_)
        if self.edge == "reflect" and any(pad):
            x = to("Pad", x, to.integers((0, 0, *pad[:2], 0, 0, *pad[2:])), mode="reflect")
            pad = Sides(0, 0, 0, 0)
        line = self._line()
        channels = known_channels(type_)
        # Expanded by the runtime, once: the file holds the filter of one channel.
        filters = to(
            "Expand",
            to.numbers([[[[row * column for column in line] for row in line]]]),
            to.integers((channels, 1, 1, 1)),
        )
        to(
            "Conv",
            x,
            filters,
            kernel_shape=tuple(self._kernel),
            strides=tuple(self.stride),
            pads=tuple(pad),
            group=channels,
        )

    def gradient(self, to: Gradient) -> None:
        size, places, pad = pixels_of(to.types[0]), pixels_of(to.result), self._sides(to.types[0])
        rows, columns = (self._matrix(size[axis], places[axis], self.stride[axis], pad[axis]) for axis in (0, 1))
        to.give(separable_gradient(to, to.gradient, rows, columns))

    def _matrix(self, size: int, places: int, stride: int, before: int) -> np.ndarray:
        """``[places, size]``: the weight of each pixel in each place of the result, along one axis."""
        import numpy as np

        matrix = np.zeros((places, size))
        for place in range(places):
            for point, weight in enumerate(self._line()):
                pixel = place * stride - before + point
                if self.edge == "reflect":
                    pixel = -pixel if pixel < 0 else 2 * (size - 1) - pixel if pixel >= size else pixel
                if 0 <= pixel < size:
                    matrix[place, pixel] += weight
        return matrix

    def _line(self) -> list[float]:
        """The filter along one axis."""
        return [math.comb(self.kernel - 1, point) / 2 ** (self.kernel - 1) for point in range(self.kernel)]

    @property
    def _kernel(self) -> Size:
        return Size(self.kernel, self.kernel)

    def _sides(self, x: TensorType) -> Sides:
        return sides(self.pad, x, self._kernel, self.stride, _NO_DILATION)
