"""Fold a multiplication by a number into the layer before or behind it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from resdsl.ir.graph import Derived, DerivedFunction, Graph, Node
from resdsl.ops.conv import Conv
from resdsl.ops.linear import Linear
from resdsl.ops.scale import Scale
from resdsl.passes.readers import Readers
from resdsl.passes.rewrite import Rewrite

if TYPE_CHECKING:
    import numpy as np


def fold_scale(graph: Graph) -> Graph:
    """Fold ``y = f * (W x + b)`` into the layer before the ``scale``, or ``y = W (f * x) + b`` into the one behind it::

        y = (f W) x + f b          y = (f W) x + b

    The layer keeps its name, the ``scale`` is removed. Zero padding stays zero. Rounding moves: each product ``f * w``
    is rounded once, instead of each result.

    Refused: a value between the two that is an output or has another reader; any other operator next to the ``scale``;
    a second ``scale`` next to one layer.
    """
    readers = Readers(graph)
    rewrite = Rewrite(graph)
    for node in graph.nodes:
        if not isinstance(node.operator, Scale):
            continue
        before, behind = graph.nodes[node.inputs[0]], readers.only(node)
        times = Times(node.operator.factor)
        if _can_fold(before) and readers.only(before) is node and before not in rewrite:
            layer, scaled = before, graph.parameters_of(before)
        elif behind is not None and _can_fold(behind) and behind not in rewrite:
            layer, scaled = behind, graph.parameters_of(behind)[:1]
        else:
            continue
        unscaled = graph.parameters_of(layer)[len(scaled) :]
        rewrite.remove(node, node.inputs[0])
        rewrite.replace(
            layer, layer.operator, [*(replace(old, source=Derived(times, (old,))) for old in scaled), *unscaled]
        )
    return rewrite.apply()


def _can_fold(node: Node) -> bool:
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
