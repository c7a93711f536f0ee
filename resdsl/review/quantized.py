"""A network whose values are rounded to integers, beside the same one in floating point."""

from __future__ import annotations

from resdsl.ir.graph import Graph
from resdsl.ops.opaque import Opaque
from resdsl.passes.drop_unused import drop_unused
from resdsl.passes.readers import Readers
from resdsl.passes.rewrite import Rewrite

_ROUNDS, _RESTORES = "QuantizeLinear", "DequantizeLinear"


def without_rounding(graph: Graph) -> tuple[Graph, int]:
    """The graph without values that are rounded to integers and back, and how many are."""
    readers, rewrite, count = Readers(graph), Rewrite(graph), 0
    for node in graph.nodes:
        if not _is(node.operator, _ROUNDS) or not node.inputs:
            continue
        after = readers.all(node)
        if after and all(_is(one.operator, _RESTORES) and one.inputs == (node.index,) for one in after):
            count += 1
            for one in after:
                rewrite.remove(one, node.inputs[0])
    return (drop_unused(rewrite.apply()), count) if count else (graph, 0)


def _is(operator: object, kind: str) -> bool:
    return isinstance(operator, Opaque) and operator.type == kind
