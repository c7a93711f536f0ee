"""``Add``, ``Mul``, ``Sum`` and ``Concat`` of values: joins. One that only feeds another of its kind is part of it."""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.step import Step
from resdsl.ops import joins

TYPES = ("Add", "Mul", "Sum", "Concat")
VIEWS = True


def read(step: Step) -> Value | View | None:
    values: list[Value] = []
    perms = set()
    for index in range(len(step.inputs)):
        value, view = step.value(index), step.view(index)
        if value is None and view is None:
            return None
        perms.add(None if view is None else view.perm)
        values.append(view.base if view is not None else value)  # type: ignore[arg-type]
    if len(perms) != 1 or len(values) < 2:
        return None
    perm = next(iter(perms))
    kind = {"Add": "add", "Sum": "add", "Mul": "mul", "Concat": "concat"}[step.type]
    if kind == "concat":
        axis = step.node.integer("axis") % max(1, values[0].type.rank)
        if (axis if perm is None else perm[axis]) != 1:
            return None
    value = step.made(joins()[kind](), *values)
    if value is None or perm is None:
        return value

    return View(value, perm)
