"""How small the input of a network with symbolic sizes may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from resdsl.ir.dims import Dim, evaluate, smallest, symbols
from resdsl.ir.graph import Graph

_LARGEST = 1 << 20
"""Where a symbol is the question, the others get a size at which they are none."""


def smallest_input(graph: Graph) -> Mapping[str, int | None]:
    """For each symbol of the input, the smallest value for which every axis of every value has a size of 1 or more.

    Sizes of layers grow with the input, so every larger value will do as well. ``None`` where nothing up to a million
    is large enough.
    """
    dims = {dim for node in graph.nodes for dim in node.type.shape if not isinstance(dim, int)}
    return {name: _smallest(name, [dim for dim in dims if name in symbols(dim)]) for name in graph.symbols}


def _smallest(name: str, dims: Iterable[Dim]) -> int | None:
    def holds(value: int) -> bool:
        return all(evaluate(dim, {**dict.fromkeys(symbols(dim), _LARGEST), name: value}) >= 1 for dim in dims)

    return smallest(holds, _LARGEST)
