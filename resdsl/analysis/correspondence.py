"""Which values of two networks are the same computation."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Hashable, Iterator

from resdsl.analysis.same_network import commutes
from resdsl.ir.graph import Graph, Node
from resdsl.ir.operator import Operator
from resdsl.ops.bn import BatchNorm
from resdsl.ops.conv import Conv
from resdsl.ops.conv_transpose import ConvTranspose
from resdsl.ops.input import Input
from resdsl.ops.linear import Linear

_LAYERS = (Conv, ConvTranspose, Linear)
"""Layers into which a batch norm after them is folded: a layer with a bias is then the value of the norm."""


def corresponding(a: Graph, b: Graph, *, named: bool) -> Iterator[tuple[int, int]]:
    """The nodes that are the same operator on the same values, from the input on, in the order of ``a``.

    With ``named``, layers are the same only if their tensors have the same names. Without, equal layers on one value
    are paired in order. A layer and the batch norm that follows it are the same as the layer with a bias.
    """
    numbers: dict[Hashable, int] = {}
    ours, theirs = _numbers(a, numbers, named=named), _numbers(b, numbers, named=named)
    place = {number: index for index, number in enumerate(theirs)}
    for index, number in enumerate(ours):
        if number in place:
            yield index, place[number]


def _numbers(graph: Graph, numbers: dict[Hashable, int], *, named: bool) -> list[int]:
    """A number for each node, equal for equal computations of all graphs that share ``numbers``."""
    readers = Counter(index for node in graph.nodes for index in node.inputs)
    readers.update(output.node for output in graph.outputs)
    folded = {
        node.inputs[0]
        for node in graph.nodes
        if isinstance(node.operator, BatchNorm)
        and isinstance(graph.nodes[node.inputs[0]].operator, _LAYERS)
        and readers[node.inputs[0]] == 1
    }
    weighted = {parameter.node for parameter in graph.parameters.values()}
    seen: Counter[Hashable] = Counter()
    result: list[int] = []
    for node in graph.nodes:
        layer = graph.nodes[node.inputs[0]] if node.inputs and node.inputs[0] in folded else node
        if isinstance(node.operator, BatchNorm) and layer is not node:
            key = _key(graph, layer, result, weighted, named)
        elif node.index in folded:
            key = ("before its norm", _key(graph, node, result, weighted, named))
        else:
            key = _key(graph, node, result, weighted, named)
        seen[key] += 1
        result.append(numbers.setdefault((key, seen[key]), len(numbers)))
    return result


def _key(graph: Graph, node: Node, numbers: list[int], weighted: set[int], named: bool) -> Hashable:
    if isinstance(node.operator, Input):
        return "input"  # of any size
    inputs = [numbers[index] for index in node.inputs]
    if commutes(node):
        inputs.sort()
    operator = _without_bias(graph.applications[node.index].canonical)
    return operator, *inputs, node.path if named and node.index in weighted else ""


def _without_bias(operator: Operator) -> Operator:
    return dataclasses.replace(operator, bias=False) if isinstance(operator, _LAYERS) else operator
