"""Means of pixels with learned weights: ``Softmax`` over a row of pixels, and ``MatMul`` with what it gives.

``MatMul`` of ``[.., C, H * W]`` and ``[.., H * W, 1]`` is a sum over the pixels of a product: ``mul``, then
``pixel_sum`` (global context networks, arXiv:1904.11492).
"""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.idioms.layout import in_layout
from resdsl.importer.layout import Axis, layout_of
from resdsl.importer.step import Step
from resdsl.ops.mul import Mul
from resdsl.ops.pixel_softmax import PixelSoftmax
from resdsl.ops.pixel_sum import PixelSum

TYPES = ("Softmax", "MatMul")
NODES = 2
VIEWS = True

_ONE_AXIS_SINCE = 13


def read(step: Step) -> Value | View | None:
    view = step.view(0)
    if view is None or view.base.type.rank != 4 or not _pixels(view.base):
        return None
    if step.type == "MatMul":
        return _weighted(step, view)
    rank = len(view.layout)
    if step.opset < _ONE_AXIS_SINCE or view.layout[step.node.integer("axis", -1) % rank] != _pixels(view.base):
        return None
    value = step.made(PixelSoftmax(), view.base, also=view.records)
    return None if value is None else view.of(value)


def _weighted(step: Step, view: View) -> Value | View | None:
    weights = step.view(1)
    if weights is None or weights.base.type.rank != 4:
        return None
    pixels = _pixels(view.base)
    channels = layout_of(view.base.type.shape)[1]
    *outer, rows, columns = view.layout
    # One weight for each pixel, whatever the channel.
    if (rows, columns) != (channels, pixels) or weights.layout != (*outer, pixels, ()):
        return None
    if weights.base.type.shape[1] != 1 or _pixels(weights.base) != pixels:
        return None
    product = step.inner(Mul(), view.base, weights.base, name=f"{step.node.outputs[0]}:product")
    total = None if product is None else step.inner(PixelSum(), product, name=f"{step.node.outputs[0]}:sum")
    if total is None:
        return None
    return in_layout(step, total, (*outer, channels, ()), (*view.records, *weights.records))


def _pixels(base: Value) -> Axis:
    """The pixels in a row."""
    return tuple(factor for axis in layout_of(base.type.shape)[2:] for factor in axis)
