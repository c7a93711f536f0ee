"""Merge padding into the windows that read it."""

from __future__ import annotations

from dataclasses import replace

from resdsl.ir.graph import Graph, Node
from resdsl.ir.operator import Operator, Refusal
from resdsl.ir.types import Sides, Size, TensorType
from resdsl.ops.avgpool import AvgPool
from resdsl.ops.conv import Conv
from resdsl.ops.maxpool import MaxPool
from resdsl.ops.pad import Pad
from resdsl.ops.windows import sides
from resdsl.passes.readers import Readers
from resdsl.passes.rewrite import Rewrite


def merge_pads(graph: Graph) -> Graph:
    """Merge a ``pad`` into all of its readers, which then pad by the sum of both:

    - ``conv``: ``p' = p + q``, if the pad's value is 0, which is what a convolution pads with;
    - ``avgpool``: likewise, and the zeros count (``count_pad``), as they did when they were pixels. Only if the pool's
      own padding counts too or is none, and without ``ceil``, which counts pixels of the padded image;
    - ``maxpool``: if the pad's value is 0 and no pixel is negative (it is the result of ``relu``, ``relu6`` or
      ``sigmoid``): a zero then never beats a pixel, like the ``-inf`` that a pool pads with. Every window must have a
      pixel;
    - ``pad``: ``p' = p + q`` of equal values.

    A ``pad`` by nothing is removed. Refused: a pad of channels, except into another pad; any other value; a pad that is
    an output, or that one of its readers cannot take; padding wider than a pool's window.
    """
    # One round merges pads none of whose readers has been merged into yet: chains need several.
    while (merged := _merge_once(graph)) is not graph:
        graph = merged
    return graph


def _merge_once(graph: Graph) -> Graph:
    readers = Readers(graph)
    rewrite = Rewrite(graph)
    for node in graph.nodes:
        pad = node.operator
        if not isinstance(pad, Pad) or node in rewrite:
            continue
        if not any((*pad.sides, pad.before, pad.after)):
            rewrite.remove(node, node.inputs[0])
            continue
        behind = readers.all(node)
        merged = [_merged(graph, node, pad, reader) if reader not in rewrite else None for reader in behind]
        operators = [operator for operator in merged if operator is not None]
        if behind and len(operators) == len(behind):
            rewrite.remove(node, node.inputs[0])
            for reader, operator in zip(behind, operators, strict=True):
                rewrite.replace(reader, operator)
    return rewrite.apply()


def _merged(graph: Graph, node: Node, pad: Pad, reader: Node) -> Operator | None:
    """The reader's operator with the pad merged in, reading what the pad reads; ``None`` if none does the same."""
    source = graph.nodes[node.inputs[0]]
    operator = reader.operator
    merged: Operator | None
    match operator:
        case Pad():
            merged = _of_pad(pad, operator)
        case Conv() if _is_border(pad):
            own = sides(operator.pad, node.type, operator.kernel, operator.stride, operator.dilation)
            merged = replace(operator, pad=_sum(pad.sides, own))
        case AvgPool(kernel=Size() as kernel) if _is_border(pad) and not operator.ceil:
            own = sides(operator.pad, node.type, kernel, operator.stride, Size(1, 1))
            counts = operator.count_pad or not any(own)
            merged = replace(operator, pad=_sum(pad.sides, own), count_pad=True) if counts else None
        case MaxPool(kernel=Size() as kernel) if _is_border(pad) and source.operator.never_negative:
            own = sides(operator.pad, node.type, kernel, operator.stride, operator.dilation)
            merged = replace(operator, pad=_sum(pad.sides, own)) if not operator.ceil else None
        case _:
            merged = None
    return merged if merged is not None and _gives(merged, source.type, reader.type) else None


def _of_pad(first: Pad, second: Pad) -> Pad | None:
    if first.value != second.value:
        return None
    return Pad(_sum(first.sides, second.sides), first.before + second.before, first.after + second.after, first.value)


def _is_border(pad: Pad) -> bool:
    """Whether it puts zeros around images, and nothing else."""
    return pad.value == 0 and not pad.before and not pad.after


def _sum(one: Sides, other: Sides) -> Sides:
    return Sides(*(a + b for a, b in zip(one, other, strict=True)))


def _gives(operator: Operator, x: TensorType, result: TensorType) -> bool:
    try:
        return operator.infer(x) == result
    except Refusal:
        return False
