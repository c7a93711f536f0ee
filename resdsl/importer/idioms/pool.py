"""Pools, global pools, and the mean over the pixels."""

from __future__ import annotations

from collections.abc import Sequence

from resdsl.importer.draft import Constant, Value, View
from resdsl.importer.idioms.layout import in_layout
from resdsl.importer.idioms.pad import lowest_border, zero_border
from resdsl.importer.idioms.windows import NO_SIDES, Geometry, geometry, padded
from resdsl.importer.layout import layout_of
from resdsl.importer.pattern import Match, Operand, match, node
from resdsl.importer.records import NodeRecord
from resdsl.importer.step import Step
from resdsl.ir.operator import Operator
from resdsl.ir.types import Size, Word
from resdsl.ops.avgpool import AvgPool
from resdsl.ops.maxpool import MaxPool
from resdsl.ops.pixel_sum import PixelSum
from resdsl.ops.windows import sides

TYPES = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceSum")
VIEWS = True

_GLOBAL = Word("global")
_REDUCTIONS: dict[str, Operator] = {
    "ReduceMean": AvgPool(_GLOBAL),
    "ReduceMax": MaxPool(_GLOBAL),
    "ReduceSum": PixelSum(),
}
_TWICE = {kind: node(kind, node(kind, Operand("x"), name="first"), name="last") for kind in _REDUCTIONS}


def read(step: Step) -> Value | View | None:
    if step.type in _REDUCTIONS:
        return _reduced(step)
    x = step.value(0)
    if x is None:
        return None
    if step.type in ("GlobalAveragePool", "GlobalMaxPool"):
        return step.made(MaxPool(_GLOBAL) if "Max" in step.type else AvgPool(_GLOBAL), x)
    window = geometry(step.node, x.type)
    if window is None or any(step.draft.uses[name] for name in step.node.outputs[1:]):
        return None
    if window.dilation != Size(1, 1) and step.node.word("auto_pad").startswith("SAME"):
        # ONNX Runtime (1.31) pads such a pool as if it had no dilation, and others as ONNX defines it.
        return None
    if step.type == "MaxPool":
        return _max(step, x, window)
    return _average(step, x, window) if window.dilation == Size(1, 1) else None


def _max(step: Step, x: Value, window: Geometry) -> Value | None:
    """A border of pixels below all others is the pool's own padding; one of zeros too, where nothing is below 0."""
    if step.node.integer("storage_order"):
        return None
    ceil = bool(step.node.integer("ceil_mode"))
    border = lowest_border(step, x)
    zeros = zero_border(step, x)
    if border is None and any(zeros) and x.inputs[0].operator.never_negative:
        border = zeros
    if border is not None and not ceil:
        (source,) = x.inputs
        whole = padded(window, border, x.type, source.type)
        value = step.made(MaxPool(window.kernel, window.stride, whole.pad, window.dilation), source, also=x.records)
        if value is not None:
            return value
    return step.made(MaxPool(window.kernel, window.stride, window.pad, window.dilation, ceil), x)


def _average(step: Step, x: Value, window: Geometry) -> Value | None:
    """A border of zeros, which counts in the mean, is the pool's own padding, where that counts or is ``ceil``'s."""
    ceil = bool(step.node.integer("ceil_mode"))
    own = sides(window.pad, x.type, window.kernel, window.stride, window.dilation)
    count_pad = bool(step.node.integer("count_include_pad")) or not any(own)
    if window.kernel == x.type.shape[2:] and not any(own):
        return step.made(AvgPool(_GLOBAL), x)
    border = zero_border(step, x)
    if any(border) and not ceil:
        (source,) = x.inputs
        whole = window._replace(pad=NO_SIDES) if not count_pad else window
        pad = padded(whole, border, x.type, source.type).pad
        pool = AvgPool(window.kernel, window.stride, pad, ceil=not count_pad)
        # What the last windows cover beyond the padding does not count.
        value = step.made(pool, source, also=x.records) if count_pad or pool.beyond(source.type) == own else None
        if value is not None:
            return value
    return step.made(AvgPool(window.kernel, window.stride, window.pad, ceil, count_pad), x)


def _reduced(step: Step) -> Value | View | None:
    """``ReduceMean`` over height and width, at once or one after the other, with kept axes or without."""
    found = match(step, _TWICE[step.type])
    if found is not None:
        two = _over_both(step, found)
        if two is not None:
            return two
    item = step.value(0) or step.view(0)
    axes = step.axes()
    if item is None or axes is None:
        return None
    layout = item.layout if isinstance(item, View) else layout_of(item.type.shape)
    return _over(step, item, {axis % len(layout) for axis in axes}, bool(step.node.integer("keepdims", 1)))


def _over_both(step: Step, found: Match) -> Value | View | None:
    first, last = found.axes("first"), found.axes("last")
    item = found.items["x"]
    if first is None or last is None or isinstance(item, Constant):
        return None
    rank = len(item.layout) if isinstance(item, View) else item.type.rank
    keeps = [bool(found.named[name].integer("keepdims", 1)) for name in ("first", "last")]
    if keeps[0] != keeps[1]:
        return None
    places = {axis % rank for axis in first}
    left = list(range(rank)) if keeps[0] else [place for place in range(rank) if place not in places]
    return _over(step, item, places | {left[axis % len(left)] for axis in last}, keeps[0], found.records[1:])


def _over(
    step: Step, item: Value | View, places: set[int], keeps: bool, also: Sequence[NodeRecord] = ()
) -> Value | View | None:
    """Over these axes of an image, if they are the pixels."""
    base = item.base if isinstance(item, View) else item
    layout = item.layout if isinstance(item, View) else layout_of(base.type.shape)
    if base.type.rank != 4:
        return None
    reduced = sorted(factor for place in places for factor in layout[place])
    if reduced != sorted(factor for axis in layout_of(base.type.shape)[2:] for factor in axis):
        return None
    after = tuple(() if place in places else axis for place, axis in enumerate(layout) if keeps or place not in places)
    pool = _REDUCTIONS[step.type]
    pooled = step.inner(pool, base, name=f"{step.node.outputs[0]}:pool")
    if pooled is None:
        return None
    if after == layout_of(pooled.type.shape):
        return step.made(pool, base, also=also)
    return in_layout(step, pooled, after, also)
