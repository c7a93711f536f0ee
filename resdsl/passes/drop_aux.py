"""Remove the heads that only training needs."""

from __future__ import annotations

from dataclasses import replace

from resdsl.ir.graph import Graph
from resdsl.passes.rewrite import Rewrite


def drop_aux(graph: Graph) -> Graph:
    """Remove ``aux`` heads with their parameters and outputs.

    Refused: nothing, as no other node reads their values.
    """
    if not graph.aux_nodes:
        return graph
    rewrite = Rewrite(replace(graph, outputs=tuple(output for output in graph.outputs if not output.aux)))
    for index in graph.aux_nodes:
        rewrite.remove(graph.nodes[index], None)
    return rewrite.apply()
