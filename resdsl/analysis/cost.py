"""What a network costs: weights, multiply-accumulates, and the values it makes on the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from resdsl.ir.dims import Dim
from resdsl.ir.graph import Graph, Node


@dataclass(frozen=True, slots=True)
class Cost:
    """Sums over some nodes.

    ``parameters`` are trainable elements, ``buffers`` others (running statistics); each is counted once, at the node
    that owns it. ``macs`` are multiply-accumulates of convolutions and linear layers, ``activations`` the elements of
    the values, ``activation_bytes`` their size; these three are for one image and may be symbolic.
    """

    parameters: int = 0
    buffers: int = 0
    macs: Dim = 0
    activations: Dim = 0
    activation_bytes: Dim = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.parameters + other.parameters,
            self.buffers + other.buffers,
            self.macs + other.macs,
            self.activations + other.activations,
            self.activation_bytes + other.activation_bytes,
        )


def costs(graph: Graph) -> tuple[Cost, ...]:
    """The cost of each node, by index. The input costs nothing but its own activations."""
    parameters = [0] * len(graph.nodes)
    buffers = [0] * len(graph.nodes)
    for parameter in graph.parameters.values():
        (parameters if parameter.trainable else buffers)[parameter.node] += parameter.count
    return tuple(_cost(graph, node, parameters[node.index], buffers[node.index]) for node in graph.nodes)


def total(costs: Sequence[Cost], nodes: Iterable[int]) -> Cost:
    """The sum over some nodes: ``total(costs(graph), scope.nodes())``."""
    return sum((costs[index] for index in nodes), Cost())


def _cost(graph: Graph, node: Node, parameters: int, buffers: int) -> Cost:
    # The first axis counts the images.
    elements: Dim = 1
    for dim in node.type.shape[1:]:
        elements = elements * dim
    macs = node.operator.macs(graph.input_types(node), node.type)
    return Cost(parameters, buffers, macs, elements, elements * node.type.dtype.size)
