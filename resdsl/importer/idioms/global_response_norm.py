"""Global response norm, spelled out: ``x + bias + weight * x * (g / (Mean(g) + eps))`` with ``g = ReduceL2(x)``.

The norm ``g`` is over the pixels, its mean over the channels; the tensors are in the layout of ``x``.
"""

from __future__ import annotations

from resdsl.importer.derived import reshaped
from resdsl.importer.draft import Value, View
from resdsl.importer.numbers import short
from resdsl.importer.pattern import NodePattern, Operand, Weight, match, node
from resdsl.importer.step import Step, channel_count
from resdsl.ops.global_response_norm import GlobalResponseNorm

TYPES = ("Add",)
NODES = 7
VIEWS = True

_X = Operand("x")
_WEIGHT, _BIAS = Weight("weight"), Weight("bias")


def _forms() -> list[NodePattern]:
    lengths = [
        node("ReduceL2", _X, name="length"),
        *(
            node("Sqrt", node("ReduceSum", square, name="length"))
            for square in (node("Mul", _X, _X), node("Pow", _X, 2.0), node("Pow", node("Abs", _X), 2.0))
        ),
        node("Sqrt", node("ReduceSumSquare", _X, name="length")),
    ]
    forms = []
    for length in lengths:
        share = node("Div", length, node("Add", node("ReduceMean", length, name="mean"), Weight("eps")))
        gated = node("Mul", _X, share)
        product = node("Mul", gated, _WEIGHT)
        forms += [
            node("Add", _X, node("Add", product, _BIAS)),
            node("Add", node("Add", _X, product), _BIAS),
            node("Add", node("Add", _X, _BIAS), product),
            node("Add", node("Mul", _X, node("Add", node("Mul", _WEIGHT, share), 1.0)), _BIAS),
        ]
    return forms


_PATTERNS = _forms()


def read(step: Step) -> Value | View | None:
    found = match(step, *_PATTERNS)
    place = None if found is None else found.base("x")
    eps = None if found is None else found.number("eps")
    if found is None or place is None or eps is None:
        return None
    base, perm = place
    if base.type.rank != 4 or found.axes_of("length", 4, perm) != {2, 3} or found.axes_of("mean", 4, perm) != {1}:
        return None
    tensors = {}
    for name in ("weight", "bias"):
        constant = found.constant(name)
        count = None if constant is None else channel_count(constant, base, perm)
        if constant is None or count is None:
            return None
        tensors[name] = reshaped(constant, (count,))
    return step.made_in(place, GlobalResponseNorm(short(eps)), tensors=tensors, also=found.records[1:])
