"""A network in half precision, beside the same one in float32."""

from __future__ import annotations

from dataclasses import replace

from resdsl.ir.graph import Graph, Node
from resdsl.ir.types import DType, TensorType
from resdsl.ops.input import Input
from resdsl.ops.opaque import Opaque
from resdsl.passes.rewrite import Rewrite

_HALF = frozenset((DType.F16, DType.BF16))
_FLOATS = _HALF | {DType.F32}


def precisions(graph: Graph) -> frozenset[DType]:
    """The half precisions that values of a network have."""
    return frozenset(node.type.dtype for node in graph.nodes) & _HALF


def in_float32(graph: Graph) -> Graph:
    """The graph with all floating-point values in float32, and without the casts between them."""
    rewrite = Rewrite(graph)
    for node in graph.nodes:
        is_cast = isinstance(node.operator, Opaque) and node.operator.type == "Cast" and len(node.inputs) == 1
        if is_cast and {node.type.dtype, graph.nodes[node.inputs[0]].type.dtype} <= _FLOATS:
            rewrite.remove(node, node.inputs[0])
    whole = rewrite.apply()
    return replace(whole, nodes=tuple(map(_single, whole.nodes)))


def _single(node: Node) -> Node:
    if node.type.dtype not in _HALF:
        return node
    kind = TensorType(DType.F32, node.type.shape)
    operator = node.operator
    if isinstance(operator, Input):
        operator = Input(kind)
    elif isinstance(operator, Opaque):
        operator = replace(operator, result=kind)
    return replace(node, operator=operator, type=kind)
