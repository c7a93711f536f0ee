"""``Add``, ``Mul``, ``Sum`` and ``Concat`` of values: joins of branches."""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.layout import layout_of, reshaped
from resdsl.importer.step import Step, seen
from resdsl.ir.operator import Operator
from resdsl.ops import joins
from resdsl.ops.opaque import Opaque

TYPES = ("Add", "Mul", "Sum", "Concat")
VIEWS = True

_KINDS = {"Add": "add", "Sum": "add", "Mul": "mul", "Concat": "concat"}


def read(step: Step) -> Value | View | None:
    kind = _KINDS[step.type]
    if kind == "concat" and len(step.inputs) == 1:
        return step.value(0) or step.view(0)
    if len(step.inputs) < 2:
        return None
    join = joins()[kind]()
    return _in_one_order(step, join) or (None if kind == "concat" else _in_branches(step, join))


def _in_one_order(step: Step, join: Operator) -> Value | View | None:
    """Of values whose axes are in the same order."""
    places = [step.place(index) for index in range(len(step.inputs))]
    values = [place[0] for place in places if place is not None]
    perms = {place[1] for place in places if place is not None}
    if len(values) < len(places) or len(perms) != 1:
        return None
    perm = next(iter(perms))
    if step.type == "Concat":
        axis = step.node.integer("axis") % max(1, values[0].type.rank)
        if (axis if perm is None else perm[axis]) != 1:
            return None
    else:
        values = _unexpanded(join, values)
    value = step.made(join, *values)
    return None if value is None else seen(value, perm)


def _unexpanded(join: Operator, values: list[Value]) -> list[Value]:
    """Without the nodes that only repeat a value as the join itself does."""
    sources = [
        value.inputs[0]
        if isinstance(value.operator, Opaque) and value.operator.type == "Expand" and value.inputs
        else value
        for value in values
    ]
    whole = next((value.type.shape for value in values), ())
    return sources if join.infer(*(one.type for one in sources)).shape == whole else values


def _in_branches(step: Step, join: Operator) -> View | None:
    """Of values that are seen with their channels as branches: ``[N, branches, channels of each, ..]``."""
    counts: list[int] = []
    bases: list[Value] = []
    for index in range(len(step.inputs)):
        view = step.view(index)
        count = None if view is None else branches_of(view)
        if view is None or count is None:
            return None
        counts.append(count)
        bases.append(view.base)
    if len(set(counts)) > 1:
        return None
    value = step.made(join, *bases)
    return None if value is None else in_branches(value, counts[0])


def branches_of(view: View) -> int | None:
    """The number of branches in ``[N, branches, channels of each, ..]``; ``None`` for any other view."""
    rank = view.base.type.rank
    branches = view.shape[1] if len(view.layout) == rank + 1 and rank > 1 else None
    if not isinstance(branches, int):
        return None
    apart = in_branches(view.base, branches)
    return branches if apart is not None and view.layout == apart.layout else None


def in_branches(value: Value, branches: int) -> View | None:
    """The value as ``[N, branches, channels of each, ..]``."""
    shape = value.type.shape
    layout = reshaped(layout_of(shape), (shape[0], branches, shape[1] // branches, *shape[2:]))
    return None if layout is None else View(value, layout)
