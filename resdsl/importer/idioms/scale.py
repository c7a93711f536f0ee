"""``Mul`` and ``Div`` by a number. One that has a module's name is learned: it is an ``affine``."""

from __future__ import annotations

from resdsl.importer.draft import Value
from resdsl.importer.numbers import short
from resdsl.importer.step import Step
from resdsl.ops.scale import Scale

TYPES = ("Mul", "Div")
ANY_LAYOUT = True


def read(step: Step) -> Value | None:
    for x, index in ((step.value(0), 1), (step.value(1), 0)):
        factor, constant = step.scalar(index), step.constant(index)
        if x is None or factor is None or constant is None or (step.type == "Div" and (index == 0 or factor == 0)):
            continue
        if constant.rank > x.type.rank or step.is_learned(constant):
            return None
        return step.made(Scale(short(1 / factor if step.type == "Div" else factor)), x)
    return None
