"""The sigmoid in three pieces, spelled out: ``Clip(x + 3, 0, 6) / 6``, or ``Clip(0.2 * x + 0.5, 0, 1)``."""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.numbers import near, short
from resdsl.importer.pattern import Match, Operand, Weight, match, node
from resdsl.importer.records import NodeRecord
from resdsl.importer.step import Step
from resdsl.ops.hard_sigmoid import LARGEST_BOUND, SMALLEST_BOUND, HardSigmoid

TYPES = ("Mul", "Div", "Clip", "Min")
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


_SLOPED = node("Add", node("Mul", _X, Weight("slope")), 0.5)
_BY_SLOPE = (
    node("Clip", _SLOPED, 0.0, 1.0),
    node("Clip", _SLOPED, name="clip"),
    node("Min", node("Max", _SLOPED, 0.0), 1.0),
    node("Min", node("Relu", _SLOPED), 1.0),
)


def read(step: Step) -> Value | View | None:
    if step.type in ("Clip", "Min"):
        found = match(step, *_BY_SLOPE)
        slope = None if found is None else found.number("slope")
        if found is None or slope is None or not _is_between(found.named.get("clip"), 1.0):
            return None
        operator = hard_sigmoid(slope, 0.5)
        return None if operator is None else step.made_in(found.base("x"), operator, also=found.records[1:])
    found = match(step, *FORMS[:-1])
    if found is None or not is_hard_sigmoid(found):
        return None
    return step.made_in(found.base("x"), HardSigmoid(), also=found.records[1:])


def hard_sigmoid(slope: float, middle: float) -> HardSigmoid | None:
    """The operator that is ``slope * x + middle`` between 0 and 1."""
    bound = short(0.5 / short(slope)) if slope > 0 else 0.0
    if middle != 0.5 or not SMALLEST_BOUND <= bound <= LARGEST_BOUND:
        return None
    return HardSigmoid(3.0 if near(bound, 3.0) else bound)


def is_hard_sigmoid(found: Match) -> bool:
    """Whether the attributes of the nodes are those of MobileNet v3's function too."""
    whole = found.named.get("node")
    if not _is_between(found.named.get("clip"), 6.0):
        return False
    return whole is None or (near(whole.number("alpha", 0.2), 1 / 6) and near(whole.number("beta", 0.5), 0.5))


def _is_between(clip: NodeRecord | None, high: float) -> bool:
    """Whether a ``Clip`` has the attributes 0 and ``high``; ``None`` is one whose bounds have matched as inputs."""
    if clip is None:
        return True
    return len(clip.inputs) == 1 and near(clip.number("min", 1.0), 0.0) and near(clip.number("max", 0.0), high)
