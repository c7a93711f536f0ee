"""The smallest input of a network with symbolic sizes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from resdsl.ir.application import Application
from resdsl.ir.dims import Dim, evaluate, smallest, symbols
from resdsl.ir.graph import Graph
from resdsl.ir.operator import Refusal
from resdsl.ir.types import TensorType

_LARGEST = 1 << 20
"""While one symbol is varied, the others are set to this size."""


def smallest_input(graph: Graph) -> Mapping[str, int | None]:
    """For each symbol of the input, the smallest value for which every value has pixels and every operator takes them.

    Sizes of layers grow with the input, so every larger value works too. ``None`` if no value up to a million is large
    enough.
    """
    dims = {dim for node in graph.nodes for dim in node.type.shape if not isinstance(dim, int)}
    applications = list({id(applied): applied for applied in graph.applications}.values())
    return {name: _smallest(name, dims, applications) for name in graph.symbols}


def _smallest(name: str, every: Collection[Dim], applications: Collection[Application]) -> int | None:
    dims = [dim for dim in every if name in symbols(dim)]
    concerned = [applied for applied in applications if any(name in symbols(dim) for dim in _sizes(applied))]

    def has_sizes(value: int) -> bool:
        return all(evaluate(dim, {**dict.fromkeys(symbols(dim), _LARGEST), name: value}) >= 1 for dim in dims)

    def is_taken(value: int) -> bool:
        return has_sizes(value) and all(_takes(applied, name, value) for applied in concerned)

    found = smallest(has_sizes, _LARGEST)
    # Few operators need more than pixels, as a blur that mirrors as many as it adds.
    return found if found is None or is_taken(found) else smallest(is_taken, _LARGEST)


def _sizes(applied: Application) -> list[Dim]:
    return [dim for x in applied.inputs for dim in x.shape]


def _takes(applied: Application, name: str, value: int) -> bool:
    def sized(x: TensorType) -> TensorType:
        return x.with_shape(*(evaluate(dim, {**dict.fromkeys(symbols(dim), _LARGEST), name: value}) for dim in x.shape))

    try:
        applied.operator.infer(*map(sized, applied.inputs))
    except Refusal:
        return False
    return True
