"""Fold a multiplication by a number into the layer before it or behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resdsl.ir.graph import Derived, DerivedFunction, Graph, Node, Parameter
from resdsl.ir.operator import Operator
from resdsl.ops.conv import Conv
from resdsl.ops.linear import Linear
from resdsl.ops.scale import Scale
from resdsl.passes.readers import Readers
from resdsl.passes.rebuild import Changes, rebuild

if TYPE_CHECKING:
    import numpy as np


def fold_scale(graph: Graph) -> Graph:
    """Make of ``y = f * (W x + b)`` and of ``y = W (f * x) + b``, for a convolution or linear layer::

        y = (f W) x + f b          y = (f W) x + b

    The layer keeps its name, the ``scale`` goes. Padding is zero, before and after. What is exact on paper is rounded
    in another place: each product ``f * w`` once, where each result was.

    Refused: a layer whose value something else reads too, or a ``scale`` of which that is so behind which the layer
    stands; anything else before and behind it.
    """
    readers = Readers(graph)
    gone: dict[int, int | None] = {}
    operators: dict[int, Operator] = {}
    weights: dict[int, tuple[Parameter, ...]] = {}
    for node in graph.nodes:
        if not isinstance(node.operator, Scale):
            continue
        before, behind = graph.nodes[node.inputs[0]], readers.only(node)
        if _takes(before) and readers.only(before) is node and before.index not in weights:
            layer, whole = before, True
        elif behind is not None and _takes(behind) and behind.index not in weights:
            layer, whole = behind, False
        else:
            continue
        weight, *bias = graph.parameters_of(layer)
        times = Times(node.operator.factor)
        scaled = [replace(one, source=Derived(times, (one,))) for one in (weight, *(bias if whole else ()))]
        gone[node.index] = node.inputs[0]
        operators[layer.index] = layer.operator
        weights[layer.index] = (*scaled, *(() if whole else bias))
    return rebuild(graph, Changes(gone, operators, weights))


def _takes(node: Node) -> bool:
    return isinstance(node.operator, Conv | Linear)


@dataclass(frozen=True)
class Times(DerivedFunction):
    """``factor * w``."""

    factor: float
    name = "fold_scale"
    rowwise = True

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        (array,) = arrays
        result: np.ndarray = (array * array.dtype.type(self.factor)).astype(array.dtype, copy=False)
        return result
