"""``x`` divided by the root of its mean square: ``rms_norm`` over channels, ``filter_response_norm`` over pixels.

It is ``x * Reciprocal(Sqrt(ReduceMean(x * x) + eps))``, with a ``Pow`` for the square, with divisions, or with the
factor repeated to the shape of ``x``. A weight and a bias, which may follow, are added as those of any norm.
"""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.numbers import short
from resdsl.importer.pattern import NodePattern, Operand, Weight, match, node
from resdsl.importer.step import Step
from resdsl.ops.filter_response_norm import FilterResponseNorm
from resdsl.ops.rms_norm import RmsNorm

TYPES = ("Mul", "Div")
NODES = 5
VIEWS = True

_X = Operand("x")


def _forms() -> list[NodePattern]:
    forms = []
    for square in (node("Mul", _X, _X), node("Pow", _X, 2.0)):
        root = node("Sqrt", node("Add", node("ReduceMean", square, name="mean"), Weight("eps")))
        forms += [node("Div", _X, root), node("Div", _X, node("Expand", root))]
        for factor in (node("Reciprocal", root), node("Div", 1.0, root)):
            forms += [node("Mul", _X, factor), node("Mul", _X, node("Expand", factor))]
    return forms


_PATTERNS = _forms()


def read(step: Step) -> Value | View | None:
    found = match(step, *_PATTERNS)
    place = None if found is None else found.base("x")
    eps = None if found is None else found.number("eps")
    if found is None or place is None or eps is None:
        return None
    base, perm = place
    rank = base.type.rank
    own = found.axes_of("mean", rank, perm)
    if own == {1}:
        return step.made_in(place, RmsNorm(short(eps), False), also=found.records[1:])
    if rank == 4 and own == {2, 3}:
        return step.made_in(place, FilterResponseNorm(short(eps), False, False), also=found.records[1:])
    return None
