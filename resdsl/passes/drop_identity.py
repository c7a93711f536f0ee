"""Leave out operators that do nothing at inference."""

from __future__ import annotations

from resdsl.ir.graph import Graph
from resdsl.passes.rebuild import Changes, rebuild


def drop_identity(graph: Graph) -> Graph:
    """Remove ``identity`` and ``dropout``: ``y = x``.

    Their readers read what they read; an output of one becomes an output of that. Nothing is refused. The result no
    longer says where a training tool should drop anything.
    """
    gone: dict[int, int | None] = {node.index: node.inputs[0] for node in graph.nodes if node.operator.is_identity}
    return rebuild(graph, Changes(gone, {}, {}))
