"""The gradients of convolutions. Not an operator of the language itself.

With ``y[n, o, i, j] = sum_{c, u, v} w[o, c, u, v] * x[n, c, s*i + d*u - p, s*j + d*v - p]``:

    dx[n, c, a, b] = sum_{o, u, v} w[o, c, u, v] * dy[n, o, i, j]      over s*i + d*u - p = a, s*j + d*v - p = b
    dw[o, c, u, v] = sum_{n, i, j} dy[n, o, i, j] * x[n, c, s*i + d*u - p, s*j + d*v - p]
"""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.ir.operator import Lowering, Ref
from resdsl.ir.types import Sides, Size


@dataclass(frozen=True, slots=True)
class Geometry:
    """A convolution from an image of ``size`` with ``channels`` to one of ``result`` with ``filters``."""

    channels: int
    filters: int
    groups: int
    kernel: Size
    stride: Size
    dilation: Size
    pad: Sides
    size: tuple[int, int]
    result: tuple[int, int]

    def used(self, axis: int) -> int:
        """Rows or columns of the padded image that a window reaches."""
        return self.stride[axis] * (self.result[axis] - 1) + self.dilation[axis] * (self.kernel[axis] - 1) + 1

    def cropped(self, axis: int) -> int:
        """The padding after the image that makes it as large as ``used``; negative where the image is larger."""
        return self.used(axis) - self.size[axis] - self.pad[axis]


def input_gradient(to: Lowering, weight: Ref, gradient: Ref, of: Geometry) -> Ref:
    """``dx``, from ``w`` and ``dy``."""
    more = tuple(max(0, -of.cropped(axis)) for axis in (0, 1))
    ends = tuple(max(0, of.cropped(axis)) for axis in (0, 1))
    return to(
        "ConvTranspose",
        gradient,
        weight,
        kernel_shape=tuple(of.kernel),
        strides=tuple(of.stride),
        dilations=tuple(of.dilation),
        group=of.groups,
        pads=(of.pad.top, of.pad.left, *ends),
        output_padding=more,
    )


def weight_gradient(to: Lowering, x: Ref, gradient: Ref, of: Geometry) -> Ref:
    """``dw``, from ``x`` and ``dy``: for each image a product of matrices, then the sum over images.

    A matrix with a row for each point of the window and channel needs a copy of ``x`` for each point. With a stride of
    1, copies of ``x`` for the columns of the window and of ``dy`` for its rows are enough, as only the distance of
    rows counts. That is 2 * k copies instead of k^2, and products of k * C by k * O instead of k^2 * C by O, which are
    nearer to squares.
    """
    if of.stride == Size(1, 1) and of.kernel != Size(1, 1):
        return _by_shifts(to, x, gradient, of)
    return _by_windows(to, x, gradient, of)


def _by_shifts(to: Lowering, x: Ref, gradient: Ref, of: Geometry) -> Ref:
    (height, width), (rows, columns) = of.kernel, of.result
    each, filters, used = of.channels // of.groups, of.filters // of.groups, of.used(0)
    below = of.cropped(0)

    def shifted(value: Ref, channels: int, pads: tuple[int, int, int, int]) -> Ref:
        top, left, bottom, right = pads
        if any(pads):
            value = to("Pad", value, to.integers((0, 0, top, left, 0, 0, bottom, right)), to.number(0.0))
        return to("Reshape", value, to.integers((0, of.groups, channels, used * columns)))

    across = [
        shifted(x, each, (of.pad.top, of.pad.left - start, below, start + columns - of.pad.left - of.size[1]))
        for start in range(0, width * of.dilation.width, of.dilation.width)
    ]
    down = [
        shifted(gradient, filters, (start, 0, used - rows - start, 0))
        for start in range(0, height * of.dilation.height, of.dilation.height)
    ]
    left, right = (to("Concat", *values, axis=2) if len(values) > 1 else values[0] for values in (down, across))
    total = _summed_product(to, left, right)
    apart = to("Reshape", total, to.integers((of.groups, height, filters, width, each)))
    placed = to("Transpose", apart, perm=(0, 2, 4, 1, 3))
    return to("Reshape", placed, to.integers((of.filters, each, height, width)))


def _by_windows(to: Lowering, x: Ref, gradient: Ref, of: Geometry) -> Ref:
    (height, width), (rows, columns) = of.kernel, of.result
    each, filters = of.channels // of.groups, of.filters // of.groups
    pads = (of.pad.top, of.pad.left, of.cropped(0), of.cropped(1))
    if any(pads):
        x = to("Pad", x, to.integers((0, 0, *pads[:2], 0, 0, *pads[2:])), to.number(0.0))
    apart = to.integers((0, of.groups, each, rows * columns))
    windows: list[Ref] = []
    for u in range(height):
        for v in range(width):
            starts = (u * of.dilation.height, v * of.dilation.width)
            ends = [
                start + step * (count - 1) + 1 for start, step, count in zip(starts, of.stride, of.result, strict=True)
            ]
            window = x
            if of.stride != Size(1, 1):
                window = to(
                    "Slice", x, to.integers(starts), to.integers(ends), to.integers((2, 3)), to.integers(of.stride)
                )
            windows.append(to("Reshape", window, apart))
    joined = to("Concat", *windows, axis=2) if len(windows) > 1 else windows[0]
    dy = to("Reshape", gradient, to.integers((0, of.groups, filters, rows * columns)))
    total = _summed_product(to, dy, joined)
    # From [group, filter, point, channel].
    placed = to("Reshape", total, to.integers((of.filters, height * width, each)))
    if height * width > 1:
        placed = to("Transpose", placed, perm=(0, 2, 1))
    return to("Reshape", placed, to.integers((of.filters, each, height, width)))


def _summed_product(to: Lowering, left: Ref, right: Ref) -> Ref:
    """``sum_n left[n] @ right[n].T`` for each group; the transposition is part of ONNX Runtime's product."""
    product = to("MatMul", left, to("Transpose", right, perm=(0, 1, 3, 2)))
    return to("ReduceSum", product, to.integers((0,)), keepdims=0)
