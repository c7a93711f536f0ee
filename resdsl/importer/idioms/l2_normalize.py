"""Vectors divided by their length: ``x / Max(ReduceL2(x), eps)`` over the channels, and ``LpNormalization``.

PyTorch's exporters write ``Clip`` for the bound and expand the length to the shape of ``x``; TensorFlow bounds the
square of the length, under the root.
"""

from __future__ import annotations

import math

from resdsl.importer.draft import Value, View
from resdsl.importer.numbers import short
from resdsl.importer.pattern import Match, NodePattern, Operand, Weight, match, node
from resdsl.importer.step import Step
from resdsl.ops.l2_normalize import L2Normalize

TYPES = ("Div", "Mul", "LpNormalization")
NODES = 3
VIEWS = True

_X = Operand("x")
_BOUND = Weight("eps")


def _lengths() -> list[NodePattern]:
    squares = [node("Mul", _X, _X), node("Pow", _X, 2.0), node("Pow", node("Abs", _X), 2.0)]
    sums = [node("ReduceSumSquare", _X, name="length"), *(node("ReduceSum", one, name="length") for one in squares)]
    lengths = [node("ReduceL2", _X, name="length"), *(node("Sqrt", one) for one in sums)]
    bounded = [
        *(node("Max|Clip", one, _BOUND, name="bound") for one in lengths),
        *(node("Clip", one, name="old bound") for one in lengths),
        *(node("Sqrt", node("Max|Clip", one, _BOUND, name="square bound")) for one in sums),
        *lengths,
    ]
    return [form for one in bounded for form in (one, node("Expand", one))]


_PATTERNS = [
    form for length in _lengths() for form in (node("Div", _X, length), node("Mul", _X, node("Reciprocal", length)))
]


def read(step: Step) -> Value | View | None:
    if step.type == "LpNormalization":
        return _one_node(step)
    found = match(step, *_PATTERNS)
    place = None if found is None else found.base("x")
    eps = None if found is None else _bound(found)
    if found is None or place is None or eps is None:
        return None
    axes = found.axes("length")
    if axes is None or len(axes) != 1 or not found.named["length"].integer("keepdims", 1):
        return None
    if not _is_of_channels(axes[0], *place):
        return None
    return step.made_in(place, L2Normalize(short(eps)), also=found.records[1:])


def _bound(found: Match) -> float | None:
    """The smallest length, 0 where there is none; ``None`` where the length has another bound, too."""
    if "old bound" in found.named:
        record = found.named["old bound"]
        if any(record.inputs[1:]) or record.number("max", math.inf) < 3e38:
            return None
        return max(record.number("min", 0.0), 0.0)
    if not {"bound", "square bound"} & found.named.keys():
        return 0.0
    is_squared = "square bound" in found.named
    record = found.named["square bound" if is_squared else "bound"]
    eps = found.number("eps")
    if eps is None or eps < 0 or any(record.inputs[2:]):
        return None
    return math.sqrt(eps) if is_squared else eps


def _one_node(step: Step) -> Value | View | None:
    place = step.place()
    if place is None or step.node.integer("p", 2) != 2:
        return None
    if not _is_of_channels(step.node.integer("axis", -1), *place):
        return None
    # Only vectors of zeros are left as they are.
    return step.made_in(place, L2Normalize())


def _is_of_channels(axis: int, base: Value, perm: tuple[int, ...] | None) -> bool:
    place = axis % base.type.rank
    return (place if perm is None else perm[place]) == 1
