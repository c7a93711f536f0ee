"""How many layers deep a network is."""

from __future__ import annotations

from resdsl.ir.graph import Graph


def depth(graph: Graph) -> int:
    """The weighted layers (convolutions and linear layers) on the longest path from the input to an output.

    ResNet-152 is called so because of it; projections in shortcuts are not on that path.
    """
    found = depths(graph)
    return max((found[output.node] for output in graph.outputs), default=0)


def depths(graph: Graph) -> tuple[int, ...]:
    """For each node, by index, the weighted layers on the longest path up to it, itself included."""
    found: list[int] = []
    for node in graph.nodes:
        before = max((found[index] for index in node.inputs), default=0)
        found.append(before + node.operator.counts_as_layer)
    return tuple(found)
