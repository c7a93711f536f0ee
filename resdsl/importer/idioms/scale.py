"""``Mul`` and ``Div`` by a number."""

from __future__ import annotations

from resdsl.importer.draft import Value
from resdsl.importer.numbers import short
from resdsl.importer.step import Step
from resdsl.ops.scale import Scale

TYPES = ("Mul", "Div")
ANY_LAYOUT = True


def read(step: Step) -> Value | None:
    for x, index in ((step.value(0), 1), (step.value(1), 0)):
        factor = step.scalar(index)
        if x is None or factor is None or (step.type == "Div" and (index == 0 or factor == 0)):
            continue
        return step.made(Scale(short(1 / factor if step.type == "Div" else factor)), x)
    return None
