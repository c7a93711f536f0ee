"""Nodes that are an operator of the language by themselves: activations and identities."""

from __future__ import annotations

from collections.abc import Callable

from resdsl.importer.draft import Value
from resdsl.importer.idioms.hard_sigmoid import hard_sigmoid
from resdsl.importer.numbers import short
from resdsl.importer.records import NodeRecord
from resdsl.importer.step import Step
from resdsl.ir.operator import Operator
from resdsl.ir.types import Word
from resdsl.ops.dropout import Dropout
from resdsl.ops.elu import Elu
from resdsl.ops.gelu import Gelu
from resdsl.ops.hard_swish import HardSwish
from resdsl.ops.leaky_relu import LeakyRelu
from resdsl.ops.relu import Relu
from resdsl.ops.sigmoid import Sigmoid
from resdsl.ops.silu import Silu
from resdsl.ops.tanh import Tanh

ANY_LAYOUT = True


def _hard_sigmoid(node: NodeRecord) -> Operator | None:
    return hard_sigmoid(node.number("alpha", 0.2), node.number("beta", 0.5))


_OPERATORS: dict[str, Callable[[NodeRecord], Operator | None]] = {
    "Relu": lambda _node: Relu(),
    "Sigmoid": lambda _node: Sigmoid(),
    "Tanh": lambda _node: Tanh(),
    "HardSwish": lambda _node: HardSwish(),
    "Swish": lambda node: Silu() if node.number("alpha", 1.0) == 1 else None,
    "HardSigmoid": _hard_sigmoid,
    "LeakyRelu": lambda node: LeakyRelu(short(node.number("alpha", 0.01))),
    "Elu": lambda node: Elu(short(node.number("alpha", 1.0))),
    "Gelu": lambda node: Gelu(Word(node.word("approximate", "none"))),
    "Dropout": lambda node: Dropout(short(node.number("ratio", 0.5))),
}

TYPES = tuple(_OPERATORS)


def read(step: Step) -> Value | None:
    x = step.value(0)
    operator = _OPERATORS[step.type](step.node)
    if x is None or operator is None:
        return None
    if step.type == "Dropout":
        drops = step.is_training or (step.given(2) and step.scalar(2) != 0)
        if drops or any(step.draft.uses[name] for name in step.node.outputs[1:]):
            return None
        rate = step.scalar(1)
        operator = operator if rate is None else Dropout(short(rate))
    return step.made(operator, x)
