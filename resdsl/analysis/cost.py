"""The cost of a network: parameters, multiply-accumulates, and activations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from resdsl.ir.application import Application
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Graph


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

    def __mul__(self, count: int) -> Cost:
        return Cost(
            self.parameters * count,
            self.buffers * count,
            self.macs * count,
            self.activations * count,
            self.activation_bytes * count,
        )


def costs(graph: Graph) -> tuple[Cost, ...]:
    """The cost of each node, by index. The input costs nothing but its own activations."""
    known = {applied: _cost(applied) for applied in set(graph.applications)}
    return tuple(known[applied] for applied in graph.applications)


def total(costs: Sequence[Cost], nodes: Iterable[int]) -> Cost:
    """The sum over some nodes: ``total(costs(graph), scope.nodes())``."""
    # Nodes that do the same share one object; counting those is much faster than adding them, above all symbolic ones.
    chosen = [costs[index] for index in nodes]
    if len(chosen) == 1:
        return chosen[0]
    distinct = {id(cost): cost for cost in chosen}
    return sum((distinct[identity] * count for identity, count in Counter(map(id, chosen)).items()), Cost())


def _cost(applied: Application) -> Cost:
    buffers = sum(prod(spec.shape) for spec in applied.parameters if not spec.trainable)
    elements = applied.activations
    return Cost(applied.parameter_count, buffers, applied.macs, elements, elements * applied.result.dtype.size)
