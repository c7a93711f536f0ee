"""Shared by the idioms with a sliding window: the attributes of convolutions and pools."""

from __future__ import annotations

from typing import NamedTuple

from resdsl.importer.records import NodeRecord
from resdsl.ir.types import Sides, Size, TensorType, Word
from resdsl.ops.windows import sides

_VALID = Sides(0, 0, 0, 0)


class Geometry(NamedTuple):
    kernel: Size
    stride: Size
    pad: Sides | Word
    dilation: Size


def geometry(node: NodeRecord, x: TensorType, kernel: Size | None = None) -> Geometry | None:
    """Kernel, stride, padding and dilation as the language writes them; ``None`` for those that it does not have."""
    if kernel is None:
        given = node.integers("kernel_shape") or ()
        if len(given) != 2:
            return None
        kernel = Size(*given)
    strides = node.integers("strides") or (1, 1)
    dilations = node.integers("dilations") or (1, 1)
    if x.rank != 4 or len(strides) != 2 or len(dilations) != 2 or min(*kernel, *strides, *dilations) < 1:
        return None
    stride, dilation = Size(*strides), Size(*dilations)
    auto = node.word("auto_pad", "NOTSET")
    if auto == "SAME_UPPER":
        return Geometry(kernel, stride, Word("same"), dilation)
    if auto == "SAME_LOWER":
        return None
    pads = (node.integers("pads") or (0, 0, 0, 0)) if auto in ("NOTSET", "") else (0, 0, 0, 0)
    if len(pads) != 4 or min(pads) < 0:
        return None
    return Geometry(kernel, stride, named_pad(Sides(*pads), x, kernel, stride, dilation), dilation)


def named_pad(pad: Sides, x: TensorType, kernel: Size, stride: Size, dilation: Size) -> Sides | Word:
    """The word for a padding, where the language has one: ``half`` first, which is its default."""
    half = Word("half")
    if sides(half, x, kernel, stride, dilation) == pad:
        return half
    return Word("valid") if pad == _VALID else pad
