"""Shared by the gradients of operators. Not an operator of the language itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from resdsl.ir.operator import Gradient, Lowering, Ref
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known, known_channels

if TYPE_CHECKING:
    import numpy as np

_FIXED = ("give the input a fixed size: `--input image=f32[N,3,224,224]`",)


def pixels_of(x: TensorType) -> tuple[int, int]:
    """Height and width of images whose size is known; refuses others."""
    rows, columns = (known(size, "the size of an image in training", helps=_FIXED) for size in x.shape[2:])
    return rows, columns


def shape_of(to: Lowering, x: TensorType) -> Ref:
    """The shape of ``x`` for a ``Reshape`` of a value with the same batch."""
    return to.integers((0, known_channels(x), *(pixels_of(x) if x.rank == 4 else ())))


def sum_channels(to: Lowering, value: Ref, rank: int) -> Ref:
    """The sum for each channel over batch and pixels: ``[C]``."""
    return to("ReduceSum", value, to.integers((0, *range(2, rank))), keepdims=0)


def per_channel(to: Lowering, value: Ref, x: TensorType) -> Ref:
    """A vector of a number for each channel, in a shape that multiplies ``x``."""
    return to("Reshape", value, to.integers((-1, *(1,) * (x.rank - 2)))) if x.rank > 2 else value


def sum_to(to: Lowering, value: Ref, x: TensorType, result: TensorType) -> Ref:
    """The gradient of ``x`` where it was repeated to the shape of ``result``: the sum over the axes of size 1."""
    axes = [axis for axis in range(1, x.rank) if x.shape[axis] == 1 and result.shape[axis] != 1]
    return to("ReduceSum", value, to.integers(axes), keepdims=1) if axes else value


def where_positive(to: Gradient, value: Ref, scaled: Ref) -> Ref:
    """``scaled`` where ``value > 0``, else 0."""
    return to("Where", to("Greater", value, to.number(0.0)), scaled, to.number(0.0))


def softmax_gradient(to: Gradient, y: Ref, gradient: Ref, axis: int) -> Ref:
    """``y * (g - sum(y * g))`` along an axis."""
    total = to("ReduceSum", to("Mul", y, gradient), to.integers((axis,)), keepdims=1)
    return to("Mul", y, to("Sub", gradient, total))


def normalised_gradient(to: Gradient, x: Ref, gradient: Ref, axes: Sequence[int], eps: float) -> tuple[Ref, Ref]:
    """``x`` normalised over ``axes``, and the gradient of ``x`` from that of the normalised value.

    With ``z = (x - mean) / sqrt(var + eps)``: ``dx = (g - mean(g) - z * mean(g * z)) / sqrt(var + eps)``.
    """
    over = to.integers(axes)
    centred = to("Sub", x, to("ReduceMean", x, over))
    variance = to("ReduceMean", to("Mul", centred, centred), over)
    scale = to("Reciprocal", to("Sqrt", to("Add", variance, to.number(eps))))
    z = to("Mul", centred, scale)
    along = to("ReduceMean", to("Mul", gradient, z), over)
    less = to("Sub", to("Sub", gradient, to("ReduceMean", gradient, over)), to("Mul", z, along))
    return z, to("Mul", less, scale)


def scaled_gradient(to: Gradient, x: Ref, gradient: Ref, axes: Sequence[int], eps: float) -> tuple[Ref, Ref]:
    """``x`` divided by the root of its mean square over ``axes``, and the gradient of ``x`` from that of the result.

    With ``z = x / sqrt(mean(x^2) + eps)``: ``dx = (g - z * mean(g * z)) / sqrt(mean(x^2) + eps)``.
    """
    over = to.integers(axes)
    square = to("ReduceMean", to("Mul", x, x), over)
    scale = to("Reciprocal", to("Sqrt", to("Add", square, to.number(eps))))
    z = to("Mul", x, scale)
    along = to("ReduceMean", to("Mul", gradient, z), over)
    return z, to("Mul", to("Sub", gradient, to("Mul", z, along)), scale)


def separable_gradient(to: Gradient, gradient: Ref, rows: np.ndarray, columns: np.ndarray) -> Ref:
    """The gradient of ``x`` in ``y = rows @ x @ columns.T``, for each image and channel."""
    return to("MatMul", to("MatMul", to.numbers(rows.T), gradient), to.numbers(columns))


def repeated(to: Gradient, value: Ref, x: TensorType) -> Ref:
    """``[N, C, 1, 1]`` at every pixel of ``x``."""
    rows, columns = pixels_of(x)
    return to("Expand", value, to.integers((1, 1, rows, columns)))
