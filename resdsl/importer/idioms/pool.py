"""Pools, global pools, and the mean over the pixels."""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.idioms.windows import geometry
from resdsl.importer.step import Step
from resdsl.ir.types import Size, Word
from resdsl.ops.avgpool import AvgPool
from resdsl.ops.flatten import Flatten
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
    """``ReduceMean`` over height and width, with kept axes or without."""
    view = step.view(0)
    x = step.value(0) if view is None else view.base
    axes = step.axes()
    if x is None or axes is None or x.type.rank != 4:
        return None
    places = sorted(axis % 4 for axis in axes)
    if view is not None:
        places = sorted(view.perm[axis] for axis in places)
    if places != [2, 3]:
        return None
    pool = MaxPool(_GLOBAL) if step.type == "ReduceMax" else AvgPool(_GLOBAL)
    if step.node.integer("keepdims", 1):
        value = step.made(pool, x)
        if value is None or view is None:
            return value

        return View(value, view.perm)
    pooled = step.inner(pool, x, name=f"{step.node.outputs[0]}:pool")
    return None if pooled is None else step.made(Flatten(), pooled)
