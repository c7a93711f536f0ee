"""The Gaussian error linear unit, spelled out.

Exactly, ``x * (1 + Erf(x / sqrt(2))) * 0.5``, multiplied in any order; approximately,
``0.5 * x * (1 + Tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))``.
"""

from __future__ import annotations

import math

from resdsl.importer.draft import Value, View
from resdsl.importer.pattern import NodePattern, Operand, match, node
from resdsl.importer.step import Step
from resdsl.ir.types import Word
from resdsl.ops.gelu import Gelu

TYPES = ("Mul",)
NODES = 5
VIEWS = True

_X = Operand("x")


def _forms(curve: NodePattern) -> list[NodePattern]:
    """``0.5 * x * (1 + curve)``, multiplied in any order."""
    weight = node("Add", curve, 1.0)
    return [
        node("Mul", node("Mul", _X, weight), 0.5),
        node("Mul", node("Mul", _X, 0.5), weight),
        node("Mul", _X, node("Mul", weight, 0.5)),
    ]


_CUBES = (
    node("Pow", _X, 3.0),
    node("Mul", node("Mul", _X, _X), _X),
    node("Mul", _X, node("Mul", _X, _X)),
)
_SLOPE = math.sqrt(2 / math.pi)

_EXACT = [
    form
    for inner in (node("Div", _X, math.sqrt(2)), node("Mul", _X, math.sqrt(0.5)))
    for form in _forms(node("Erf", inner))
]
_TANH = [
    form
    for cube in _CUBES
    for inner in (
        node("Add", _X, node("Mul", cube, 0.044715)),
        # x + a * x * x * x, multiplied from the left
        node("Add", _X, node("Mul", node("Mul", node("Mul", _X, 0.044715), _X), _X)),
    )
    for form in _forms(node("Tanh", node("Mul", inner, _SLOPE)))
] + _forms(
    node("Tanh", node("Mul", node("Mul", _X, _SLOPE), node("Add", node("Mul", node("Mul", _X, _X), 0.044715), 1.0)))
)


def read(step: Step) -> Value | View | None:
    for patterns, approximate in ((_EXACT, "none"), (_TANH, "tanh")):
        found = match(step, *patterns)
        if found is not None:
            return step.made_in(found.base("x"), Gelu(Word(approximate)), also=found.records[1:])
    return None
