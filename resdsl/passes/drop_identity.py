"""Remove operators that do nothing at inference."""

from __future__ import annotations

from resdsl.ir.graph import Graph
from resdsl.passes.rewrite import Rewrite


def drop_identity(graph: Graph) -> Graph:
    """Remove ``identity`` and ``dropout``: ``y = x``.

    Their readers read ``x``; an output of one becomes an output of ``x``. The result no longer says where dropout acts
    in training.

    Refused: nothing.
    """
    rewrite = Rewrite(graph)
    for node in graph.nodes:
        if node.operator.is_identity:
            rewrite.remove(node, node.inputs[0])
    return rewrite.apply()
