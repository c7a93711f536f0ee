"""Remove operators that do nothing at inference."""

from __future__ import annotations

from collections.abc import Container

from resdsl.ir.graph import Graph
from resdsl.passes.rewrite import Rewrite


def drop_identity(graph: Graph, *, only: Container[str] | None = None) -> Graph:
    """Remove ``identity`` and ``dropout``: ``y = x``.

    Their readers read ``x``; an output of one becomes an output of ``x``. The result no longer says where dropout acts
    in training. With ``only``, operators of other names stay.

    Refused: nothing.
    """
    rewrite = Rewrite(graph)
    for node in graph.nodes:
        if node.operator.is_identity and (only is None or node.operator.name in only):
            rewrite.remove(node, node.inputs[0])
    return rewrite.apply()
