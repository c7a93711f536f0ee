"""The swish in three pieces, spelled out: ``x * Clip(x + 3, 0, 6) / 6``, or ``x * HardSigmoid(x)``."""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.idioms.hard_sigmoid import FORMS, PIECES, is_hard_sigmoid
from resdsl.importer.pattern import Operand, match, node
from resdsl.importer.step import Step
from resdsl.ops.hard_swish import HardSwish

TYPES = ("Mul", "Div")
NODES = 3
VIEWS = True

_X = Operand("x")
_PATTERNS = [
    *(node("Mul", _X, form) for form in FORMS),
    *(node("Div", node("Mul", _X, pieces), 6.0) for pieces in PIECES),
    *(node("Mul", node("Mul", _X, pieces), 1 / 6) for pieces in PIECES),
    *(node("Mul", node("Mul", _X, 1 / 6), pieces) for pieces in PIECES),
]


def read(step: Step) -> Value | View | None:
    found = match(step, *_PATTERNS)
    if found is None or not is_hard_sigmoid(found):
        return None
    return step.made_in(found.base("x"), HardSwish(), also=found.records[1:])
