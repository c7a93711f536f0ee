"""Leave out what no output needs."""

from __future__ import annotations

from resdsl.ir.graph import Graph
from resdsl.passes.rebuild import Changes, rebuild


def drop_unused(graph: Graph) -> Graph:
    """Remove nodes from which no path leads to an output, with their weights. The input stays, read or not."""
    needed = {0, *(output.node for output in graph.outputs)}
    for node in reversed(graph.nodes):
        if node.index in needed:
            needed.update(node.inputs)
    gone: dict[int, int | None] = {node.index: None for node in graph.nodes if node.index not in needed}
    return rebuild(graph, Changes(gone, {}, {}))
