"""The resolution of each value, which determines the colour of layers."""

from __future__ import annotations

from resdsl.ir.dims import Dim, evaluate, symbols
from resdsl.ir.graph import Graph, Scope, ScopeKind
from resdsl.ir.types import TensorType
from resdsl.picture.labels import spatial

_LARGE = 1 << 12
"""Substitute for symbolic sizes; only the number of halvings matters."""


class Levels:
    """The number of halvings of the input for each value; ``None`` for a value of one pixel.

    A stage with the size of the preceding one (dilated instead of strided) counts as one more halving.
    """

    def __init__(self, graph: Graph) -> None:
        self._input = self._rows(graph.input.type)
        self._graph = graph
        self._staged: dict[int, int] = {}
        self._stages(graph.root)

    def __getitem__(self, node: int) -> int | None:
        staged = self._staged.get(node)
        # Values of one pixel inside a stage (a gate) have no resolution.
        level = self._level(self._graph.nodes[node].type)
        return level if staged is None or level is None else level + staged

    def _stages(self, root: Scope) -> None:
        pending: list[Scope] = [root]
        last = -1
        while pending:
            scope = pending.pop()
            if scope.kind is ScopeKind.MODEL:
                last = -1
            if scope.kind is not ScopeKind.STAGE:
                pending.extend(child for child in reversed(scope.children) if isinstance(child, Scope))
                continue
            level = self._level(self._graph.nodes[scope.output].type)
            if level is None:
                continue
            more = max(0, last + 1 - level)
            last = level + more
            self._staged.update(dict.fromkeys(scope.nodes(), more))

    def _level(self, type: TensorType) -> int | None:
        rows = self._rows(type)
        if rows <= 1 or self._input <= 1:
            return None
        return max(0, (self._input // rows).bit_length() - 1)

    @staticmethod
    def _rows(type: TensorType) -> int:
        return max(_number(dim) for dim in spatial(type))


def _number(dim: Dim) -> int:
    return evaluate(dim, dict.fromkeys(symbols(dim), _LARGE))
