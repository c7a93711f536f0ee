"""What became of each node: the one decision that sentences, tables, pictures and pages of a comparison read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from resdsl.analysis.same_network import commutes
from resdsl.ir.graph import Graph, Node
from resdsl.review.align import Alignment
from resdsl.review.equality import NodeEquality
from resdsl.review.trees import Item


class Mark(StrEnum):
    """What became of one node.

    A node gets the first that applies: ``REMOVED`` and ``ADDED`` are in one network only; ``CHANGED`` has another
    operator, other arguments, or takes other values; ``MOVED`` belongs to a piece that is built as before and stands
    elsewhere; ``RENAMED`` owns tensors that have other names; ``FOLLOWS`` is written as before and takes or gives
    other shapes.
    """

    REMOVED = "removed"
    ADDED = "added"
    CHANGED = "changed"
    MOVED = "moved"
    RENAMED = "renamed"
    FOLLOWS = "follows"
    SAME = "same"


@dataclass(frozen=True)
class Marks:
    """The marks of two networks, by node.

    A node can be more than its mark says: ``renamed`` has all new nodes whose tensors have other names, also those
    that changed; ``follows`` all that only have other shapes, also those that are renamed. ``moved_pieces`` are the
    largest pieces that moved, old and new.
    """

    old: Mapping[int, Mark]
    new: Mapping[int, Mark]
    renamed: frozenset[int] = frozenset()
    follows: frozenset[int] = frozenset()
    moved_pieces: tuple[tuple[Item, Item], ...] = ()

    @cached_property
    def present(self) -> frozenset[Mark]:
        """The marks that occur in either network."""
        return frozenset(self.old.values()) | frozenset(self.new.values())


def unchanged(old: Graph, new: Graph) -> Marks:
    """The marks of one network written in two ways."""
    return Marks(dict.fromkeys(range(len(old.nodes)), Mark.SAME), dict.fromkeys(range(len(new.nodes)), Mark.SAME))


def mark_nodes(old: Graph, new: Graph, alignment: Alignment) -> Marks:
    """Decide what became of each node of two networks whose layers are paired."""
    return _Marker(old, new, alignment).run()


class _Marker:
    def __init__(self, old: Graph, new: Graph, alignment: Alignment) -> None:
        self._old = old
        self._new = new
        self._alignment = alignment
        self._equal = NodeEquality(old, new)
        self._displaced = {index for index in alignment.moved if not self._keeps_inputs(new.nodes[index])}
        """New nodes that stand elsewhere and take other values there."""
        self._displaced_from = {alignment.back[index] for index in self._displaced}

    def run(self) -> Marks:
        pairs, back = self._alignment.pairs, self._alignment.back
        pieces = tuple(self._moved_pieces())
        moved = {leaf for _, piece in pieces for leaf in piece.leaves}
        renamed = frozenset(new for old, new in pairs.items() if self._is_renamed(old, new))
        before = {node.index: Mark.REMOVED for node in self._old.nodes if node.index not in pairs}
        after = {node.index: Mark.ADDED for node in self._new.nodes if node.index not in back}
        follows: set[int] = set()
        for old, new in pairs.items():
            if self._is_changed(old, new):
                mark = Mark.CHANGED
            elif new in moved:
                mark = Mark.MOVED
            else:
                mark = Mark.SAME
                if not self._equal.types(old, new):
                    follows.add(new)
                    mark = Mark.FOLLOWS
                if new in renamed:
                    mark = Mark.RENAMED
            before[old] = after[new] = mark
        return Marks(before, after, renamed, frozenset(follows), pieces)

    def _is_changed(self, old: int, new: int) -> bool:
        """Whether a node has another operator, other arguments, or takes other values for a reason of its own."""
        if not self._equal.operators(old, new):
            return True
        if new in self._displaced:
            return False
        node = self._new.nodes[new]
        return not self._keeps_inputs(node) and not self._is_explained(node)

    def _is_renamed(self, old: int, new: int) -> bool:
        if new in self._displaced or not self._new.applications[new].parameters:
            return False
        return bool(self._old.applications[old].parameters) and self._old.nodes[old].path != self._new.nodes[new].path

    def _moved_pieces(self) -> Iterator[tuple[Item, Item]]:
        pending = list(reversed(self._alignment.new.children)) if self._displaced else []
        while pending:
            item = pending.pop()
            inside = [leaf in self._displaced for leaf in item.leaves]
            partner = self._alignment.partner(item)
            # The first layer of a piece is the one that takes other values.
            if partner is not None and inside[:1] == [True] and self._is_moved(item):
                yield partner, item
            elif any(inside):
                pending.extend(reversed(item.children))

    def _is_moved(self, item: Item) -> bool:
        return all(leaf in self._alignment.moved for leaf in item.leaves)

    def _keeps_inputs(self, node: Node) -> bool:
        """Whether a node takes the values that it took before, as far as they are in both networks."""
        back = self._alignment.back
        before = self._old.nodes[back[node.index]].inputs
        if len(before) == len(node.inputs) == 1:
            return back.get(node.inputs[0]) == before[0]
        inputs = tuple([back.get(index) for index in node.inputs])
        return inputs == before or (commutes(node) and Counter(inputs) == Counter(before))

    def _is_explained(self, node: Node) -> bool:
        """Whether it takes other values only because of nodes that were added, removed or moved."""
        back = self._alignment.back
        before = Counter(self._old.nodes[back[node.index]].inputs)
        after = Counter(back[index] for index in node.inputs if index in back)
        came = any(index not in back or index in self._displaced for index in node.inputs)
        went = any(index not in self._alignment.pairs or index in self._displaced_from for index in before - after)
        others = any(index not in self._displaced_from for index in after - before)
        return went or (came and not others)
