"""A network whose values are rounded to integers, beside the same one in floating point."""

from __future__ import annotations

from resdsl.ir.graph import Graph, Node
from resdsl.ops.affine import Affine
from resdsl.ops.opaque import Opaque
from resdsl.passes.drop_unused import drop_unused
from resdsl.passes.readers import Readers
from resdsl.passes.rewrite import Rewrite

_ROUNDS, _RESTORES = "QuantizeLinear", "DequantizeLinear"
_FACTORS = ".factors"


def without_rounding(graph: Graph) -> tuple[Graph, int]:
    """The graph without values that are rounded to integers and back, and how many are.

    The factors of their channels, which ``quantize`` writes, are part of the rounding.
    """
    readers, rewrite, count = Readers(graph), Rewrite(graph), 0
    for node in graph.nodes:
        if not _is(node.operator, _ROUNDS) or not node.inputs:
            continue
        after = readers.all(node)
        if after and all(_is(one.operator, _RESTORES) and one.inputs == (node.index,) for one in after):
            count += 1
            for one in after:
                rewrite.remove(one, node.inputs[0])
    for node in graph.nodes:
        if count and _is_factor(node) and (_is_restored(graph, node) or _is_rounded(readers, node)):
            rewrite.remove(node, node.inputs[0])
    return (drop_unused(rewrite.apply()), count) if count else (graph, 0)


def _is_factor(node: Node) -> bool:
    operator = node.operator
    return isinstance(operator, Affine) and not operator.bias and node.path.endswith(_FACTORS)


def _is_restored(graph: Graph, node: Node) -> bool:
    return _is(graph.nodes[node.inputs[0]].operator, _RESTORES)


def _is_rounded(readers: Readers, node: Node) -> bool:
    after = readers.all(node)
    return bool(after) and all(_is(one.operator, _ROUNDS) for one in after)


def _is(operator: object, kind: str) -> bool:
    return isinstance(operator, Opaque) and operator.type == kind
