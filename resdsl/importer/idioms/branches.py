"""Sums and softmaxes over branches: parts of the channels, one after another, seen along an axis of their own.

``Softmax`` over them is ``branch_softmax``, ``ReduceSum`` is ``branch_sum`` (or, of values stacked for it alone, an
``add``; ``ReduceMean`` then is a ``mean``), and ``Gather`` of one of them is a ``slice``. Values are stacked by
``Unsqueeze`` and ``Concat``.
"""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.idioms.layout import in_layout
from resdsl.importer.layout import Factor, Layout, layout_of
from resdsl.importer.step import Step
from resdsl.ops.add import Add
from resdsl.ops.branch_softmax import BranchSoftmax
from resdsl.ops.branch_sum import BranchSum
from resdsl.ops.concat import Concat
from resdsl.ops.mean import Mean
from resdsl.ops.scale import Scale
from resdsl.ops.slice import Slice

TYPES = ("Softmax", "ReduceSum", "ReduceMean", "Gather", "Concat")
NODES = 2
VIEWS = True

_ONE_AXIS_SINCE = 13


def read(step: Step) -> Value | View | None:
    if step.type == "Concat":
        return _stacked(step)
    view = step.view(0)
    axes = step.axes() if step.type.startswith("Reduce") else (step.node.integer("axis", _DEFAULTS[step.type]),)
    if view is None or axes is None or len(axes) != 1:
        return None
    axis = axes[0] % len(view.layout)
    # An axis of one place is of no axis of the value, and one branch.
    is_one = step.type in ("Softmax", "ReduceSum") and not view.layout[axis]
    branches = 1 if is_one else _branches(view, axis)
    if branches is None:
        return None
    if step.type == "Softmax":
        # Over whole channels, in their own layout or another, it is a `softmax` of pixels.
        if step.opset < _ONE_AXIS_SINCE or (branches == view.base.type.shape[1] and view.perm is not None):
            return None
        value = step.made(BranchSoftmax(branches), view.base, also=view.records)
        return None if value is None else view.of(value)
    keeps = step.type != "Gather" and bool(step.node.integer("keepdims", 1))
    value = _one_of(step, view, branches) if step.type == "Gather" else _total(step, view, branches)
    if value is None:
        return None
    layout = tuple(() if at == axis else one for at, one in enumerate(view.layout) if keeps or at != axis)
    # The places of a part of the channels are those of the channels of the result.
    return in_layout(step, value, layout, view.records)


_DEFAULTS = {"Softmax": -1, "Gather": 0}


def _branches(view: View, axis: int) -> int | None:
    """How many parts of the channels an axis goes through; ``None`` for an axis that is anything else."""
    shape = view.base.type.shape
    (factor, *others) = view.layout[axis] or (None,)
    if factor is None or others or factor.axis != 1 or not isinstance(factor.size, int):
        return None
    return factor.size if factor.stride * factor.size == shape[1] else None


def _one_of(step: Step, view: View, branches: int) -> Value | None:
    place, channels = step.scalar(1), view.base.type.shape[1]
    if place is None or step.rank(1) != 0 or not isinstance(channels, int):
        return None
    each = channels // branches
    start = int(place) % branches * each
    return step.made(Slice(start, start + each), view.base, also=view.records)


def _total(step: Step, view: View, branches: int) -> Value | None:
    base = view.base
    is_mean = step.type == "ReduceMean"
    parts = base.inputs
    if (
        isinstance(base.operator, Concat)
        and len(parts) == branches
        and len({part.type.shape for part in parts}) == 1
        and step.draft.only_read_once(base)
    ):
        return step.made(Mean() if is_mean else Add(), *parts, also=(*view.records, *base.records))
    if not is_mean:
        return step.made(BranchSum(branches), base, also=view.records)
    total = step.inner(BranchSum(branches), base, name=f"{step.node.outputs[0]}:sum")
    return None if total is None else step.made(Scale(1 / branches), total, also=view.records)


def _stacked(step: Step) -> View | None:
    """Values with an axis of one place each, put one after another along that axis: their channels are."""
    views = [step.view(index) for index in range(len(step.inputs))]
    if not views or len(views) < 2:
        return None
    axis = step.node.integer("axis") % len(views[0].layout if views[0] is not None else (0,))
    bases = [view.base for view in views if view is not None and _without(view.layout, axis) == _whole(view.base)]
    channels = {base.type.shape[1] for base in bases if base.type.rank > 1}
    if len(bases) < len(views) or len(channels) != 1 or any(view.layout != views[0].layout for view in views if view):  # type: ignore[union-attr]
        return None
    value = step.made(Concat(), *bases)
    if value is None:
        return None
    (each,) = channels
    layout = list(layout_of(bases[0].type.shape))
    layout.insert(axis, (Factor(1, each, len(bases)),))
    return View(value, tuple(layout), (step.node,))


def _without(layout: Layout, axis: int) -> Layout | None:
    return (*layout[:axis], *layout[axis + 1 :]) if axis < len(layout) and not layout[axis] else None


def _whole(base: Value) -> Layout:
    return layout_of(base.type.shape)
