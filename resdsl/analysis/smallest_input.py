"""The smallest input of a network with symbolic sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from resdsl.ir.dims import Dim, evaluate, smallest, symbols
from resdsl.ir.graph import Graph

_LARGEST = 1 << 20
"""While one symbol is varied, the others are set to this size."""


def smallest_input(graph: Graph) -> Mapping[str, int | None]:
    """For each symbol of the input, the smallest value for which every axis of every value has a size of 1 or more.

    Sizes of layers grow with the input, so every larger value works too. ``None`` if no value up to a million is large
    enough.
    """
    dims = {dim for node in graph.nodes for dim in node.type.shape if not isinstance(dim, int)}
    return {name: _smallest(name, [dim for dim in dims if name in symbols(dim)]) for name in graph.symbols}


def _smallest(name: str, dims: Iterable[Dim]) -> int | None:
    def holds(value: int) -> bool:
        return all(evaluate(dim, {**dict.fromkeys(symbols(dim), _LARGEST), name: value}) >= 1 for dim in dims)

    return smallest(holds, _LARGEST)
