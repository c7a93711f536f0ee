"""Pools, global pools, and the mean over the pixels."""

from __future__ import annotations

from collections.abc import Sequence

from resdsl.importer.draft import Constant, Value, View
from resdsl.importer.idioms.layout import in_layout
from resdsl.importer.idioms.windows import geometry
from resdsl.importer.layout import layout_of
from resdsl.importer.pattern import Match, Operand, match, node
from resdsl.importer.records import NodeRecord
from resdsl.importer.step import Step
from resdsl.ir.types import Size, Word
from resdsl.ops.avgpool import AvgPool
from resdsl.ops.maxpool import MaxPool
from resdsl.ops.windows import sides

TYPES = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax")
VIEWS = True

_GLOBAL = Word("global")


def read(step: Step) -> Value | View | None:
    if step.type in ("ReduceMean", "ReduceMax"):
        return _reduced(step)
    x = step.value(0)
    if x is None:
        return None
    if step.type in ("GlobalAveragePool", "GlobalMaxPool"):
        return step.made(MaxPool(_GLOBAL) if "Max" in step.type else AvgPool(_GLOBAL), x)
    window = geometry(step.node, x.type)
    if window is None or any(step.draft.uses[name] for name in step.node.outputs[1:]):
        return None
    ceil = bool(step.node.integer("ceil_mode"))
    if step.type == "MaxPool":
        if step.node.integer("storage_order"):
            return None
        return step.made(MaxPool(window.kernel, window.stride, window.pad, window.dilation, ceil), x)
    if window.dilation != Size(1, 1):
        return None
    padded = any(sides(window.pad, x.type, window.kernel, window.stride, window.dilation))
    count_pad = bool(step.node.integer("count_include_pad")) or not padded
    if window.kernel == x.type.shape[2:] and not padded:
        return step.made(AvgPool(_GLOBAL), x)
    return step.made(AvgPool(window.kernel, window.stride, window.pad, ceil, count_pad), x)


def _reduced(step: Step) -> Value | View | None:
    """``ReduceMean`` over height and width, at once or one after the other, with kept axes or without."""
    found = match(step, node(step.type, node(step.type, Operand("x"), name="first"), name="last"))
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
    pool = MaxPool(_GLOBAL) if step.type == "ReduceMax" else AvgPool(_GLOBAL)
    pooled = step.inner(pool, base, name=f"{step.node.outputs[0]}:pool")
    if pooled is None:
        return None
    if after == layout_of(pooled.type.shape):
        return step.made(pool, base, also=also)
    return in_layout(step, pooled, after, also)
