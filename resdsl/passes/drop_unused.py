"""Remove layers that no output needs."""

from __future__ import annotations

from resdsl.ir.graph import Graph
from resdsl.passes.rewrite import Rewrite


def drop_unused(graph: Graph) -> Graph:
    """Remove nodes from which no path leads to an output, with their parameters.

    Refused: the input, which stays even if nothing reads it.
    """
    needed = {0, *(output.node for output in graph.outputs)}
    for node in reversed(graph.nodes):
        if node.index in needed:
            needed.update(node.inputs)
    rewrite = Rewrite(graph)
    for node in graph.nodes:
        if node.index not in needed:
            rewrite.remove(node, None)
    return rewrite.apply()
