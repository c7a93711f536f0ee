"""An operator applied to inputs of certain types: what all nodes that compute the same have in common.

A deep network has thousands of nodes and applies few operators to few types. What follows from operator and types
alone (the tensors that it owns, its multiply-accumulates) is computed once for each such pair, and looked up by node.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache, cached_property
from math import copysign, prod

from resdsl.ir.dims import Dim
from resdsl.ir.operator import Operator, ParameterSpec
from resdsl.ir.types import TensorType


@dataclass(frozen=True, eq=False)
class Application:
    """``operator`` applied to values of the types ``inputs``, which gives one of the type ``result``.

    In one graph, nodes that apply equal operators to equal types have the same object: it can be a key.
    """

    operator: Operator
    inputs: tuple[TensorType, ...]
    result: TensorType

    @cached_property
    def canonical(self) -> Operator:
        """What it computes: equal for operators whose arguments are written in different ways."""
        return self.operator.canonical(*self.inputs)

    @cached_property
    def parameters(self) -> tuple[ParameterSpec, ...]:
        """The tensors that it owns, in the order of a state dict."""
        return self.operator.parameters(*self.inputs)

    @cached_property
    def parameter_count(self) -> int:
        """Trainable elements of those."""
        return sum(prod(spec.shape) for spec in self.parameters if spec.trainable)

    @cached_property
    def macs(self) -> Dim:
        """Multiply-accumulates for one image."""
        return self.operator.macs(self.inputs, self.result)

    @cached_property
    def activations(self) -> Dim:
        """Elements of its value, for one image: the first axis counts the images."""
        elements: Dim = 1
        for dim in self.result.shape[1:]:
            elements = elements * dim
        return elements


def distinct(operator: Operator) -> Hashable:
    """A key that two operators share only if they compute the same: 0.0 equals -0.0, and is another number."""
    kind: type = type(operator)
    zeros = [copysign(1, value) for name in _numbers(kind) if (value := getattr(operator, name)) == 0]
    return (operator, *zeros) if zeros else operator


@cache
def _numbers(kind: type) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if "float" in str(field.type))
