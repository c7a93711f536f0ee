"""``Add``, ``Mul``, ``Sum`` and ``Concat`` of values: joins of branches."""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.layout import layout_of
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
    return _in_one_order(step, joins()[kind]()) or _in_branches(step, joins()[kind]())


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
        value.inputs[0] if isinstance(value.operator, Opaque) and value.operator.type == "Expand" else value
        for value in values
    ]
    whole = next((value.type.shape for value in values), ())
    return sources if join.infer(*(one.type for one in sources)).shape == whole else values


def _in_branches(step: Step, join: Operator) -> View | None:
    """Of values that are seen with their channels as branches: ``[N, branches, channels of each, ..]``.

    Along the branches a concatenation is one of channels.
    """
    counts: list[int] = []
    bases: list[Value] = []
    for index in range(len(step.inputs)):
        view = step.view(index)
        count = None if view is None else branches_of(view)
        if view is None or count is None:
            return None
        counts.append(count)
        bases.append(view.base)
    if step.type == "Concat":
        if step.node.integer("axis") % (bases[0].type.rank + 1) != 1:
            return None
        total = sum(counts)
    elif len(set(counts)) > 1:
        return None
    else:
        total = counts[0]
    value = step.made(join, *bases)
    return None if value is None else in_branches(value, total)


def branches_of(view: View) -> int | None:
    """The number of branches in ``[N, branches, channels of each, ..]``; ``None`` for any other view."""
    rank = view.base.type.rank
    if rank < 2 or len(view.layout) != rank + 1 or not isinstance(view.shape[1], int):
        return None
    return view.shape[1] if view.layout == in_branches(view.base, view.shape[1]).layout else None


def in_branches(value: Value, branches: int) -> View:
    """The value as ``[N, branches, channels of each, ..]``."""
    from resdsl.importer.layout import reshaped

    shape = value.type.shape
    layout = reshaped(layout_of(shape), (shape[0], branches, shape[1] // branches, *shape[2:]))
    assert layout is not None
    return View(value, layout)
