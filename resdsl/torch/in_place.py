"""Which values of a network may be computed in place of their input."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from resdsl.ir.graph import Graph
from resdsl.ops.add import Add
from resdsl.ops.bn import BatchNorm
from resdsl.ops.conv import Conv
from resdsl.ops.conv_transpose import ConvTranspose
from resdsl.ops.linear import Linear

_GRADIENT_WITHOUT_RESULT = (BatchNorm, Conv, ConvTranspose, Linear)
"""Operators whose result is new, and not needed to compute their gradient."""


def overwriting(graph: Graph, wanted: Collection[int]) -> frozenset[int]:
    """The nodes whose input nothing else reads, nor the gradient of what made it. ``wanted`` are outputs."""
    readers: dict[int, int] = defaultdict(int)
    for node in graph.nodes:
        for index in node.inputs:
            readers[index] += 1
    found: set[int] = set()
    for node in graph.nodes:
        if len(node.inputs) != 1:
            continue
        (index,) = node.inputs
        made = graph.nodes[index]
        is_new = isinstance(made.operator, _GRADIENT_WITHOUT_RESULT) or (
            isinstance(made.operator, Add) and len(made.inputs) > 1
        )
        if is_new and readers[index] == 1 and index not in wanted:
            found.add(node.index)
    return frozenset(found)
