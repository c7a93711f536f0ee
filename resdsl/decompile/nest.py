"""The nest of a graph: chains, and joins whose branches start at their fork.

The fork of a join is its immediate dominator, and the region between the two is a nest: each branch is walked back from
the join to the fork. A branch that reaches a value of another branch before the fork starts there, with ``from``.
"""

from __future__ import annotations

from resdsl.decompile.dominators import Dominators
from resdsl.decompile.tree import Group, Item, Join, Op, Residual, Sequence, all_sequences, nodes_of
from resdsl.ir.graph import Graph, Node
from resdsl.ir.types import Size
from resdsl.ops.add import Add
from resdsl.ops.affine import Affine
from resdsl.ops.avgpool import AvgPool
from resdsl.ops.blurpool import BlurPool
from resdsl.ops.conv import Conv
from resdsl.ops.join import Join as JoinOperator
from resdsl.ops.maxpool import MaxPool
from resdsl.ops.mul import Mul
from resdsl.ops.pad import Pad
from resdsl.ops.scale import Scale

DEEPEST = 60
"""Joins inside joins, which the language allows to nest 100 deep with the groups around them."""


MOST_NODES = 10_000
"""Nodes of a network that is nested: published ones have some hundred to some thousand."""

MOST_WORK = 2_000_000
"""Nodes times outputs of such a network."""


class TooDeep(Exception):
    """The joins nest deeper than text can."""


def is_large(graph: Graph) -> bool:
    """Whether a network is larger than any that is written as text, so that its nest would take too long."""
    return len(graph.nodes) > MOST_NODES or len(graph.nodes) * len(graph.outputs) > MOST_WORK


class Nest:
    """``top`` is the main chain. ``taps`` are the nodes that a ``from`` starts at, ``sides`` the chains of further
    outputs, each from a value of the main chain or of one before it.
    """

    def __init__(self, graph: Graph) -> None:
        """Raises ``TooDeep``."""
        self.nodes = graph.nodes
        self._dominators = Dominators(graph.nodes)
        self._claimed: set[int] = {0}
        self.taps: set[int] = set()
        self.top = Sequence()
        self.sides: list[Sequence] = []
        names: dict[int, list[str]] = {}
        for output in graph.outputs:
            names.setdefault(output.node, []).append(output.name)
        self.outputs: dict[int, tuple[str, ...]] = {node: tuple(some) for node, some in names.items()}
        """The names of the outputs of each node."""
        main = max(names, key=lambda node: (len(self._ancestors(node)), node))
        self.top = self._chain(main, 0, 0)
        for node in names:
            if node not in self._claimed:
                self.sides.append(self._chain(node, -1, 0))

    def inner_outputs(self) -> None:
        """Give the outputs inside joins a chain of their own: `output` stands in the model and its groups alone."""
        reachable: set[int] = {0}
        stack = [self.top, *self.sides]
        while stack:
            for item in stack.pop().items:
                if isinstance(item, Group):
                    stack.append(item.body)
                else:
                    reachable.add(item.node.index)
        for node in self.outputs:
            if node not in reachable:
                self.taps.add(node)
                self.sides.append(Sequence(source=node, start=node, end=node))

    def _ancestors(self, node: int) -> set[int]:
        seen = {node}
        waiting = [node]
        while waiting:
            for one in self.nodes[waiting.pop()].inputs:
                if one not in seen:
                    seen.add(one)
                    waiting.append(one)
        return seen

    def _chain(self, end: int, start: int, depth: int) -> Sequence:
        """The items from the value ``start``, exclusive, to the node ``end``, inclusive."""
        if depth > DEEPEST:
            raise TooDeep
        items: list[Item] = []
        source: int | None = None
        at = end
        while at != start:
            if at in self._claimed:
                source = at
                self.taps.add(at)
                break
            node = self.nodes[at]
            self._claimed.add(at)
            if isinstance(node.operator, JoinOperator) or len(node.inputs) > 1:
                fork = self._dominators.of(at)
                items.append(self._join(node, fork, depth))
                at = fork
            else:
                items.append(Op(node, node.path))
                # An operator without inputs is a further input of the file.
                at = node.inputs[0] if node.inputs else start
        items.reverse()
        return Sequence(items, source, start if source is None else source, end)

    def _join(self, node: Node, fork: int, depth: int) -> Item:
        if isinstance(node.operator, Add) and len(node.inputs) == 2:
            # The longer path first: it is the main one, and the other may start from a value of it.
            first, second = node.inputs
            if self._length(second, fork) > self._length(first, fork):
                first, second = second, first
            main, shortcut = self._chain(first, fork, depth + 1), self._chain(second, fork, depth + 1)
            # A residual has paths of one shape; a sum that repeats one of them is a join.
            fits = self.nodes[first].type == self.nodes[second].type
            if fits and main.source is None and main.items and _is_shortcut(shortcut):
                last = main.items[-1]
                if isinstance(last, Op) and isinstance(last.node.operator, Scale) and len(main.items) > 1:
                    main.items.pop()
                    main.end = last.node.inputs[0]
                    return Residual(node, main, shortcut, last.node)
                return Residual(node, main, shortcut)
            # In this order, as a value in the second one may come from the first.
            return Join(node, [main, shortcut])
        branches = [self._chain(one, fork, depth + 1) for one in node.inputs]
        inner = [one.source for branch in branches for one in all_sequences(branch)]
        if isinstance(node.operator, Mul) and all(source is None for source in inner):
            # A gate: what is gated first, as papers write it.
            branches.sort(key=lambda branch: bool(branch.items))
        return Join(node, branches)

    def _length(self, end: int, fork: int) -> int:
        """Nodes on the way back to the fork along first inputs."""
        count = 0
        while end != fork and end > fork and count < 1000:
            inputs = self.nodes[end].inputs
            if not inputs:
                break
            end = self._dominators.of(end) if len(inputs) > 1 else inputs[0]
            count += 1
        return count


def _is_shortcut(branch: Sequence) -> bool:
    """Whether a branch only makes the shape fit: nothing, or pointwise convolutions, norms, pools and identities."""
    return all(
        node.operator.is_norm
        or node.operator.is_identity
        or isinstance(node.operator, Affine | AvgPool | MaxPool | BlurPool | Pad)
        or (
            isinstance(node.operator, Conv)
            and (node.operator.kernel == Size(1, 1) or node.operator.stride != Size(1, 1))
        )
        for node in nodes_of(branch)
    )
