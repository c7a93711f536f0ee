"""``x * Sigmoid(x)``."""

from __future__ import annotations

from resdsl.importer.draft import Value
from resdsl.importer.step import Step
from resdsl.ops.sigmoid import Sigmoid
from resdsl.ops.silu import Silu

TYPES = ("Mul",)
NODES = 2
ANY_LAYOUT = True


def read(step: Step) -> Value | None:
    one, other = step.value(0), step.value(1)
    for x, gate in ((one, other), (other, one)):
        if x is not None and gate is not None and isinstance(gate.operator, Sigmoid) and gate.inputs == (x,):
            return step.made(Silu(), x, taking=(gate,))
    return None
