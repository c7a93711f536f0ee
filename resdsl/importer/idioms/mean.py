"""The sum of branches divided by their number: ``mean``."""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.numbers import near
from resdsl.importer.step import Step
from resdsl.ops.add import Add
from resdsl.ops.mean import Mean

TYPES = ("Mul", "Div", "Mean")
NODES = 2
VIEWS = True

_MOST_BRANCHES = 64


def read(step: Step) -> Value | View | None:
    if step.type == "Mean":
        values = [step.value(index) for index in range(len(step.inputs))]
        branches = [value for value in values if value is not None]
        return step.made(Mean(), *branches) if len(branches) == len(values) else None
    for first, second in ((0, 1), (1, 0)):
        place, factor = step.place(first), step.scalar(second)
        if place is None or factor is None or (first and step.type == "Div"):
            continue
        base, perm = place
        count = _count(factor if step.type == "Div" else 1 / factor if factor else 0)
        branches = _branches(step, base, count)
        if perm is not None or count < 2 or len(branches) != count:
            return None
        return step.made(Mean(), *branches, taking=(base,))
    return None


def _count(divisor: float) -> int:
    """The number that a sum is divided by, if it can be that of its branches."""
    return round(divisor) if 1 < divisor <= _MOST_BRANCHES and near(1 / divisor, 1 / round(divisor)) else 0


def _branches(step: Step, total: Value, count: int) -> list[Value]:
    """The ``count`` values that are added up; sums of two in a row are one sum."""
    if not isinstance(total.operator, Add) or len({one.type.shape for one in total.inputs}) > 1:
        return []
    branches = list(total.inputs)
    while len(branches) < count and isinstance(branches[0].operator, Add) and step.draft.only_read_once(branches[0]):
        first = branches[0].inputs
        if len({one.type.shape for one in (*first, total)}) > 1:
            break
        branches[:1] = first
    return branches
