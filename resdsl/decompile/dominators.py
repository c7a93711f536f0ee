"""Immediate dominators: for each node, the last value that every path from the input to it passes through."""

from __future__ import annotations

from collections.abc import Sequence

from resdsl.ir.graph import Node


class Dominators:
    """The tree of immediate dominators of a graph, in which each node has its fork as parent.

    Common ancestors are found in logarithmic time by jump pointers (Myers, "An applicative random-access stack", 1983),
    so that a chain of any length is no more work than it is long.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        count = len(nodes)
        self._parent = [0] * count
        self._jump = [0] * count
        self._depth = [0] * count
        for node in nodes[1:]:
            inputs = node.inputs
            parent = inputs[0] if inputs else 0
            for other in inputs[1:]:
                parent = self._common(parent, other)
            place = node.index
            self._parent[place] = parent
            self._depth[place] = self._depth[parent] + 1
            far = self._jump[parent]
            equal = self._depth[parent] - self._depth[far] == self._depth[far] - self._depth[self._jump[far]]
            self._jump[place] = self._jump[far] if equal else parent

    def of(self, node: int) -> int:
        """The immediate dominator of a node."""
        return self._parent[node]

    def _common(self, one: int, other: int) -> int:
        depth, jump, parent = self._depth, self._jump, self._parent
        if depth[one] < depth[other]:
            one, other = other, one
        while depth[one] > depth[other]:
            one = jump[one] if depth[jump[one]] >= depth[other] else parent[one]
        while one != other:
            if jump[one] != jump[other]:
                one, other = jump[one], jump[other]
            else:
                one, other = parent[one], parent[other]
        return one
