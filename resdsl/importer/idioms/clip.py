"""``Clip`` with constant bounds: relu6, or a relu."""

from __future__ import annotations

from resdsl.importer.draft import Value
from resdsl.importer.numbers import near
from resdsl.importer.step import Step
from resdsl.ops.relu import Relu
from resdsl.ops.relu6 import Relu6

TYPES = ("Clip",)
ANY_LAYOUT = True


def read(step: Step) -> Value | None:
    x = step.value(0)
    if x is None:
        return None
    low = step.scalar(1) if step.given(1) else step.node.number("min", float("-inf"))
    high = step.scalar(2) if step.given(2) else step.node.number("max", float("inf"))
    if not near(low, 0.0) or high is None:
        return None
    if near(high, 6.0):
        return step.made(Relu6(), x)
    return step.made(Relu(), x) if high > 3e38 else None
