"""The sigmoid in three pieces, spelled out: ``Clip(x + 3, 0, 6) / 6``."""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.numbers import near
from resdsl.importer.pattern import Match, Operand, match, node
from resdsl.importer.step import Step
from resdsl.ops.hard_sigmoid import HardSigmoid

TYPES = ("Mul", "Div")
NODES = 3
VIEWS = True

_X = Operand("x")
_SHIFTED = node("Add", _X, 3.0)
PIECES = (
    node("Clip", _SHIFTED, 0.0, 6.0),
    node("Clip", _SHIFTED, name="clip"),
    node("Min", node("Max", _SHIFTED, 0.0), 6.0),
    node("Min", node("Relu", _SHIFTED), 6.0),
)
"""``Clip(x + 3, 0, 6)``. The bounds of ``Clip`` are attributes up to operator set 10."""

FORMS = (
    *(node("Div", pieces, 6.0) for pieces in PIECES),
    *(node("Mul", pieces, 1 / 6) for pieces in PIECES),
    node("HardSigmoid", _X, name="node"),
)
"""The hard sigmoid of ``x``, as nodes or as one."""


def read(step: Step) -> Value | View | None:
    found = match(step, *FORMS[:-1])
    if found is None or not is_hard_sigmoid(found):
        return None
    return step.made_in(found.base("x"), HardSigmoid(), also=found.records[1:])


def is_hard_sigmoid(found: Match) -> bool:
    """Whether the attributes of the nodes are those of MobileNet v3's function too."""
    clip, whole = found.named.get("clip"), found.named.get("node")
    if clip is not None:
        return len(clip.inputs) == 1 and near(clip.number("min", 1.0), 0.0) and near(clip.number("max", 0.0), 6.0)
    return whole is None or (near(whole.number("alpha", 0.2), 1 / 6) and near(whole.number("beta", 0.5), 0.5))
