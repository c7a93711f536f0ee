"""``Pow`` by 2: a value multiplied with itself, as the star activation spells it."""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.step import Step, seen
from resdsl.ops import joins

TYPES = ("Pow",)
VIEWS = True


def read(step: Step) -> Value | View | None:
    place = step.place()
    if place is None or step.scalar(1) != 2:
        return None
    x, perm = place
    value = step.made(joins()["mul"](), x, x)
    return None if value is None else seen(value, perm)
