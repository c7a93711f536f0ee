"""Sums and softmaxes over branches of channels, seen as ``[N, branches, channels of each, ..]``.

``Softmax`` over the branches is ``branch_softmax``, ``ReduceSum`` over them ``branch_sum``, and ``Gather`` of one of them
a ``slice``.
"""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.idioms.join import branches_of
from resdsl.importer.step import Step
from resdsl.ops.branch_softmax import BranchSoftmax
from resdsl.ops.branch_sum import BranchSum
from resdsl.ops.scale import Scale
from resdsl.ops.slice import Slice

TYPES = ("Softmax", "ReduceSum", "ReduceMean", "Gather")
NODES = 2
VIEWS = True


def read(step: Step) -> Value | View | None:
    view = step.view(0)
    branches = None if view is None else branches_of(view)
    if view is None or branches is None:
        return None
    base, rank = view.base, len(view.layout)
    channels = base.type.shape[1]
    if step.type == "Softmax":
        if step.opset < 13 or step.node.integer("axis", -1) % rank != 1:
            return None
        value = step.made(BranchSoftmax(branches), base, also=view.records)
        return None if value is None else view.of(value)
    if step.type == "Gather":
        place = step.scalar(1)
        if place is None or step.rank(1) != 0 or step.node.integer("axis") % rank != 1 or not isinstance(channels, int):
            return None
        each = channels // branches
        start = int(place) % branches * each
        return step.made(Slice(start, start + each), base, also=view.records)
    axes = step.axes()
    if axes is None or [axis % rank for axis in axes] != [1] or step.node.integer("keepdims", 1):
        return None
    if step.type == "ReduceSum":
        return step.made(BranchSum(branches), base, also=view.records)
    total = step.inner(BranchSum(branches), base, name=f"{step.node.outputs[0]}:sum")
    return None if total is None else step.made(Scale(1 / branches), total, also=view.records)
