"""``Sub`` of values: a sum with the second one times -1, which is the same number."""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.step import Step, seen
from resdsl.ops.add import Add
from resdsl.ops.scale import Scale

TYPES = ("Sub",)
VIEWS = True


def read(step: Step) -> Value | View | None:
    one, other = step.place(0), step.place(1)
    if one is None or other is None or one[1] != other[1]:
        return None
    negative = step.inner(Scale(-1.0), other[0], name=f"{step.node.outputs[0]}:negative")
    if negative is None:
        return None
    value = step.made(Add(), one[0], negative)
    return None if value is None else seen(value, one[1])
