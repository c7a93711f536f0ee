"""The labels of boxes, as in papers: ``3x3 conv, 64, /2`` (He et al. 2015, figure 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from resdsl.ir.dims import Dim
from resdsl.ir.operator import Operator
from resdsl.ir.print import describe
from resdsl.ir.types import Size, TensorType
from resdsl.ops.avgpool import AvgPool
from resdsl.ops.bn import BatchNorm
from resdsl.ops.channel_shuffle import ChannelShuffle
from resdsl.ops.conv import Conv
from resdsl.ops.dropout import Dropout
from resdsl.ops.linear import Linear
from resdsl.ops.lrn import LocalResponseNorm
from resdsl.ops.maxpool import MaxPool
from resdsl.ops.pad import Pad
from resdsl.ops.scale import Scale
from resdsl.ops.upsample import Upsample

_ONE = Size(1, 1)


def layer_label(operator: Operator) -> str:
    """The label of an operator's box: ``7x7 conv, 64, /2``, ``3x3 max pool, /2``, ``avg pool``, ``fc 1000``.

    ``/2`` is the stride, ``V`` a window of more than one pixel that is not padded (as in the figures of
    arXiv:1602.07261), ``g = 32`` and ``d = 2`` are groups and dilation.
    """
    writer = _WRITERS.get(type(operator))
    return writer(operator) if writer is not None else describe(operator)


def size_label(type: TensorType) -> str:
    """Height and width of an image, one number if they are equal: ``112``, ``8x16``; ``1`` for a vector."""
    rows, columns = spatial(type)
    if rows == columns:
        return str(rows)
    return f"{rows}x{columns}" if isinstance(rows, int) and isinstance(columns, int) else f"{rows} x {columns}"


def spatial(type: TensorType) -> tuple[Dim, Dim]:
    """Height and width of an image; a vector is one pixel."""
    return (type.shape[2], type.shape[3]) if type.rank == 4 else (1, 1)


def shape_label(type: TensorType) -> str:
    """A shape without the batch dimension, channels last, as in papers: ``56 x 56 x 256``, ``1000``."""
    _, *rest = type.shape
    return " x ".join(str(dim) for dim in (*rest[1:], rest[0])) if rest else str(type)


def _conv(conv: Conv) -> str:
    return ", ".join([f"{conv.kernel} conv", str(conv.channels), *_window(conv)])


def _pool(what: str) -> Callable[[Any], str]:
    def label(pool: AvgPool | MaxPool) -> str:
        if not isinstance(pool.kernel, Size):
            return what
        return ", ".join([f"{pool.kernel} {what}", *_window(pool)])

    return label


def _window(operator: Conv | AvgPool | MaxPool) -> list[str]:
    """The non-default arguments of a window."""
    notes: list[str] = []
    if operator.stride != _ONE:
        notes.append(f"/{_one_number(operator.stride)}")
    dilation = getattr(operator, "dilation", _ONE)
    if dilation != _ONE:
        notes.append(f"d = {_one_number(dilation)}")
    groups = getattr(operator, "groups", 1)
    if groups != 1:
        notes.append(f"g = {groups}")
    # A pooling window with kernel size equal to stride is never padded, so `V` would be redundant.
    if operator.pad == "valid" and operator.kernel not in (_ONE, operator.stride):
        notes.append("V")
    return notes


def _pad(pad: Pad) -> str:
    more = pad.before + pad.after
    return f"pad, {more} channels" if more and not any(pad.sides) else describe(pad)


def _upsample(upsample: Upsample) -> str:
    return f"upsample x{_one_number(upsample.factor)}"


def _one_number(size: Size) -> str:
    return str(size.height) if size.height == size.width else str(size)


_WRITERS: dict[type[Operator], Callable[[Any], str]] = {
    AvgPool: _pool("avg pool"),
    BatchNorm: lambda _: "batch norm",
    ChannelShuffle: lambda shuffle: f"channel shuffle, g = {shuffle.groups}",
    Conv: _conv,
    Dropout: lambda dropout: f"dropout {dropout.rate:g}",
    Linear: lambda linear: f"fc {linear.features}",
    LocalResponseNorm: lambda norm: f"LRN, {norm.size}",
    MaxPool: _pool("max pool"),
    Pad: _pad,
    Scale: lambda scale: f"x {scale.factor:g}",
    Upsample: _upsample,
}
