"""Shared by the idioms with a sliding window: the attributes of convolutions and pools."""

from __future__ import annotations

from typing import NamedTuple

from resdsl.importer.records import NodeRecord
from resdsl.ir.operator import Refusal
from resdsl.ir.types import Sides, Size, TensorType, Word
from resdsl.ops.windows import sides

NO_SIDES = Sides(0, 0, 0, 0)
_HALF = Word("half")


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
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        same = sides(Word("same"), x, kernel, stride, dilation)
        if auto == "SAME_LOWER":
            same = Sides(same.bottom, same.right, same.top, same.left)
        return Geometry(kernel, stride, named_pad(same, x, kernel, stride, dilation), dilation)
    pads = (node.integers("pads") or (0, 0, 0, 0)) if auto in ("NOTSET", "") else (0, 0, 0, 0)
    if len(pads) != 4 or min(pads) < 0:
        return None
    return Geometry(kernel, stride, named_pad(Sides(*pads), x, kernel, stride, dilation), dilation)


def named_pad(pad: Sides, x: TensorType, kernel: Size, stride: Size, dilation: Size) -> Sides | Word:
    """The word for a padding, where the language has one: ``half`` first, which is its default."""
    if sides(_HALF, x, kernel, stride, dilation) == pad:
        return _HALF
    if pad == NO_SIDES:
        return Word("valid")
    # TensorFlow's padding is known by its odd pixel, which is at the end.
    if pad[:2] != pad[2:] and _is_same(pad, x, kernel, stride, dilation):
        return Word("same")
    return pad


def _is_same(pad: Sides, x: TensorType, kernel: Size, stride: Size, dilation: Size) -> bool:
    try:
        return sides(Word("same"), x, kernel, stride, dilation) == pad
    except Refusal:
        return False


def padded(window: Geometry, border: Sides, x: TensorType, before: TensorType) -> Geometry:
    """The window over ``before`` that is ``window`` over ``x``, which is ``before`` with a border around it."""
    own = sides(window.pad, x, window.kernel, window.stride, window.dilation)
    whole = Sides(*(a + b for a, b in zip(own, border, strict=True)))
    return window._replace(pad=named_pad(whole, before, window.kernel, window.stride, window.dilation))
