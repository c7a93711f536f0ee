"""Pair the layers of two networks.

Scopes are compared from the top down. Their children are paired in order such that the total score is maximal; equal
names and equal structure both raise the score of a pair. Items that remain unpaired on both sides are then matched
across scopes: they may have moved, or been wrapped in a new scope.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from resdsl.ir.graph import Graph
from resdsl.ops.join import Join
from resdsl.review.equality import NodeEquality
from resdsl.review.trees import Forest, Item

Slot = tuple[Item | None, Item | None]
"""A pair of children, or one child alone: removed, or added."""

_LARGEST_TABLE = 400_000
"""Maximum number of candidate pairs to score; children of larger scopes are paired by name."""

_MOST_SCORED = 4_000_000
"""Candidate pairs that are scored in all scopes together."""

_MOST_RIVALS = 1_000
"""Pieces of equal structure among which one of the same name is looked for."""


@dataclass(frozen=True)
class Alignment:
    """The pairs of corresponding items of two networks.

    ``pairs`` maps old nodes to new ones, ``back`` new nodes to old ones. ``slots`` maps the old scope of a pair to the
    children of both, merged into one list; pairs of scopes with equal structure have none. ``partners`` maps each
    scope of a pair to the other. ``moved`` are the new nodes that were matched across scopes.
    """

    old: Item
    new: Item
    pairs: dict[int, int]
    back: dict[int, int]
    slots: dict[Item, list[Slot]]
    partners: dict[Item, Item]
    moved: frozenset[int]

    @cached_property
    def old_leaves(self) -> dict[int, Item]:
        """The item of each old node."""
        return {item.node: item for item in self.old.walk() if item.node is not None}

    @cached_property
    def new_leaves(self) -> dict[int, Item]:
        """The item of each new node."""
        return {item.node: item for item in self.new.walk() if item.node is not None}

    def partner(self, item: Item) -> Item | None:
        """The old layer or scope that is paired with a new one."""
        if item.node is None:
            return self.partners.get(item)
        old = self.back.get(item.node)
        return self.old_leaves[old] if old is not None else None


def align(old: Graph, new: Graph) -> Alignment:
    """Pair the layers of two networks. ``align(new, old)`` returns the same pairs."""
    # Ties are broken by order, so both directions are computed in the same order of arguments.
    if not _comes_first(old, new):
        there = align(new, old)
        slots = {
            there.partners[scope]: [(after, before) for before, after in slots] for scope, slots in there.slots.items()
        }
        moved = frozenset(there.back[index] for index in there.moved)
        return Alignment(there.new, there.old, there.back, there.pairs, slots, there.partners, moved)
    return _Aligner(old, new).run()


def _comes_first(graph: Graph, other: Graph) -> bool:
    """Whether ``graph`` precedes ``other`` in a fixed order of networks."""
    sizes = (len(graph.nodes), graph.parameter_count), (len(other.nodes), other.parameter_count)
    if sizes[0] != sizes[1]:
        return sizes[0] < sizes[1]
    same = NodeEquality(graph, other)
    differ = (
        (a.path, repr(a.operator), a.inputs) <= (b.path, repr(b.operator), b.inputs)
        for a, b in zip(graph.nodes, other.nodes, strict=True)
        if a.path != b.path or a.inputs != b.inputs or not same.operators(a.index, b.index)
    )
    return next(differ, True)


class _Aligner:
    def __init__(self, old: Graph, new: Graph) -> None:
        self._graphs = (old, new)
        self._same = NodeEquality(old, new)
        self._forest = Forest()
        self._trees = (self._forest.tree(old), self._forest.tree(new))
        self._pairs: dict[int, int] = {}
        self._back: dict[int, int] = {}
        self._slots: dict[Item, list[Slot]] = {}
        self._partners: dict[Item, Item] = {}
        self._moved: set[int] = set()
        self._scored = 0

    def run(self) -> Alignment:
        old, new = self._trees
        self._descend(old, new)
        if not self._is_rewritten():
            self._find_moved()
        return Alignment(old, new, self._pairs, self._back, self._slots, self._partners, frozenset(self._moved))

    def _descend(self, old: Item, new: Item) -> None:
        """Pair two items and their contents."""
        pending = [(old, new)]
        while pending:
            before, after = pending.pop()
            self._partners[before], self._partners[after] = after, before
            if before.structure == after.structure or before.node is not None:
                self._pair_leaves(before, after)
                continue
            slots = self._slots[before] = self._children(before.children, after.children)
            pending.extend((a, b) for a, b in slots if a is not None and b is not None)

    def _pair_leaves(self, before: Item, after: Item) -> None:
        for one, other in zip(before.leaves, after.leaves, strict=True):
            self._pairs[one] = other
            self._back[other] = one

    # --- in order ---

    def _children(self, old: Sequence[Item], new: Sequence[Item]) -> list[Slot]:
        if len(old) == len(new) and all(map(self._alike, old, new)):
            return list(zip(old, new, strict=True))
        start, end = 0, 0
        shorter = min(len(old), len(new))
        while start < shorter and _same(old[start], new[start]):
            start += 1
        while end < shorter - start and _same(old[-1 - end], new[-1 - end]):
            end += 1
        left, right = old[start : len(old) - end], new[start : len(new) - end]
        middle = self._middle(left, right)
        before: list[Slot] = list(zip(old[:start], new[:start], strict=True))
        after: list[Slot] = list(zip(old[len(old) - end :], new[len(new) - end :], strict=True))
        return before + middle + after

    def _middle(self, old: Sequence[Item], new: Sequence[Item]) -> list[Slot]:
        table = len(old) * len(new)
        if table > min(_LARGEST_TABLE, _MOST_SCORED - self._scored):
            return self._by_name(old, new)
        self._scored += table
        return self._weigh(old, new)

    def _alike(self, old: Item, new: Item) -> bool:
        """Whether two children at the same position are the same item, with few changes at most."""
        if old.label != new.label or (old.node is None) != (new.node is None):
            return False
        return self._forest.likeness(old, new) >= 0.5

    def _weigh(self, old: Sequence[Item], new: Sequence[Item]) -> list[Slot]:
        """The order-preserving pairing with the maximal score, by dynamic programming from the end."""
        rows, columns = len(old), len(new)
        worth = self._worths(old, new)
        best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
        for i in range(rows - 1, -1, -1):
            row, below, values = best[i], best[i + 1], worth[i]
            for j in range(columns - 1, -1, -1):
                paired = values[j] + below[j + 1] if values[j] else 0.0
                row[j] = max(paired, below[j], row[j + 1])
        slots: list[Slot] = []
        i = j = 0
        while i < rows and j < columns:
            if worth[i][j] and best[i][j] == worth[i][j] + best[i + 1][j + 1]:
                slots.append((old[i], new[j]))
                i, j = i + 1, j + 1
            elif best[i][j] == best[i + 1][j]:
                slots.append((old[i], None))
                i += 1
            else:
                slots.append((None, new[j]))
                j += 1
        slots.extend((item, None) for item in old[i:])
        slots.extend((None, item) for item in new[j:])
        return slots

    def _by_name(self, old: Sequence[Item], new: Sequence[Item]) -> list[Slot]:
        """Order-preserving pairs of items with the same label."""
        places = {item.label: place for place, item in enumerate(new)}
        slots: list[Slot] = []
        done = 0
        for item in old:
            place = places.get(item.label, -1)
            if place < done or not self._worth(item, new[place]):
                slots.append((item, None))
                continue
            slots.extend((None, other) for other in new[done:place])
            slots.append((item, new[place]))
            done = place + 1
        slots.extend((None, other) for other in new[done:])
        return slots

    def _worths(self, old: Sequence[Item], new: Sequence[Item]) -> list[list[float]]:
        """The score of each pair, computed once for items of equal structure."""
        known: dict[tuple[int, int, bool], float] = {}
        kinds: dict[Hashable, int] = {}
        columns = [(kinds.setdefault(_kind(item), len(kinds)), item.label, item) for item in new]
        table: list[list[float]] = []
        for before in old:
            kind, label = kinds.setdefault(_kind(before), len(kinds)), before.label
            row: list[float] = []
            for other, called, after in columns:
                key = (kind, other, label == called)
                worth = known.get(key)
                if worth is None:
                    worth = known[key] = self._worth(before, after)
                row.append(worth)
            table.append(row)
        return table

    def _worth(self, old: Item, new: Item) -> float:
        """The score of a pair; 0 for unrelated items."""
        if (old.node is None) != (new.node is None):
            return 0.0
        called_alike = old.label == new.label
        if old.node is not None and new.node is not None:
            return self._worth_of_layers(old, new, called_alike)
        likeness = self._forest.likeness(old, new)
        if old.structure == new.structure:
            return 7.0 + (0.5 if old.label.isdigit() else 3.0) * called_alike
        # Items with different names must be very similar; otherwise a stage could match the scope around it.
        if not called_alike and likeness < (0.5 if old.callee and old.callee == new.callee else 0.75):
            return 0.0
        # A number is a position, not a name.
        name = 0.0 if not called_alike else 0.5 if old.label.isdigit() else 3.0
        if likeness < 0.1 and old.callee != new.callee:
            return 0.0
        return name + 5.0 * likeness + (1.0 if old.callee and old.callee == new.callee else 0.0)

    def _worth_of_layers(self, old: Item, new: Item, called_alike: bool) -> float:
        assert old.node is not None and new.node is not None
        before, after = self._graphs[0].nodes[old.node], self._graphs[1].nodes[new.node]
        weighted = old.weighted or new.weighted
        name = 0.0 if not called_alike else 3.0 if weighted else 0.2
        if self._same.operators(old.node, new.node):
            return name + (6.0 if weighted else 4.0)
        if type(before.operator) is type(after.operator):
            return name + 2.0
        if weighted:
            return 1.5 if called_alike and old.weighted and new.weighted else 0.0
        # An activation can replace an activation and a pool a pool; joins are not replaced.
        plain = not isinstance(before.operator, Join) and not isinstance(after.operator, Join)
        pools = hasattr(before.operator, "kernel") == hasattr(after.operator, "kernel")
        return 1.0 if plain and pools and bool(before.index) == bool(after.index) else 0.0

    # --- elsewhere ---

    def _is_rewritten(self) -> bool:
        """Pair nodes by index if both networks have the same operators on the same inputs in the same order."""
        old, new = self._graphs
        if len(old.nodes) != len(new.nodes):
            return False
        pairs = zip(old.nodes, new.nodes, strict=True)
        if any(a.inputs != b.inputs or not self._same.operators(a.index, b.index) for a, b in pairs):
            return False
        self._pairs = {index: index for index in range(len(old.nodes))}
        self._back = dict(self._pairs)
        return True

    def _find_moved(self) -> None:
        lost, gained = self._left_over()
        self._match_subtrees(lost, gained)
        self._match_by_inputs()
        self._match_in_scope(lost, gained)

    def _left_over(self) -> tuple[list[Item], list[Item]]:
        lost: list[Item] = []
        gained: list[Item] = []
        for slots in self._slots.values():
            lost.extend(before for before, after in slots if after is None and before is not None)
            gained.extend(after for before, after in slots if before is None and after is not None)
        return lost, gained

    def _match_subtrees(self, lost: Sequence[Item], gained: Sequence[Item]) -> None:
        """Match unpaired items with weights: scopes of equal structure, and layers or changed scopes of equal label."""
        wanted: dict[Hashable, deque[Item]] = defaultdict(deque)
        for top in gained:
            for item in top.walk():
                if item.weighted:
                    wanted[_identity(item)].append(item)
                    wanted[item.label].append(item)
        pending = list(reversed(lost))
        while pending:
            item = pending.pop()
            if not item.weighted:
                continue
            rival = self._rival(item, wanted)
            if rival is None:
                pending.extend(reversed(item.children))
                continue
            self._descend(item, rival)
            self._moved.update(leaf for leaf in rival.leaves if leaf in self._back)

    def _rival(self, item: Item, wanted: Mapping[Hashable, deque[Item]]) -> Item | None:
        rivals = self._free(wanted, _identity(item))
        if rivals:
            return next((one for one in rivals if one.label == item.label), rivals[0])
        if item.node is not None or item.label.isdigit():
            return None
        likely = (rival for rival in self._free(wanted, item.label) if rival.node is None)
        return next((rival for rival in likely if self._forest.likeness(item, rival) >= 0.5), None)

    def _free(self, wanted: Mapping[Hashable, deque[Item]], key: Hashable) -> list[Item]:
        """The first pieces of a kind that nothing is paired with."""
        rivals = wanted.get(key)
        while rivals and self._is_taken(rivals[0]):
            rivals.popleft()
        return [rival for rival in islice(rivals or (), _MOST_RIVALS) if not self._is_taken(rival)]

    def _is_taken(self, item: Item) -> bool:
        return any(leaf in self._back for leaf in item.leaves)

    def _match_by_inputs(self) -> None:
        """Match unpaired layers that compute the same from the same inputs."""
        old, new = self._graphs
        readers: dict[tuple[object, tuple[int, ...]], deque[int]] = defaultdict(deque)
        for node in new.nodes[1:]:
            if node.index not in self._back:
                readers[new.applications[node.index].canonical, node.inputs].append(node.index)
        for node in old.nodes[1:]:
            if node.index in self._pairs:
                continue
            inputs = tuple(self._pairs.get(index, -1) for index in node.inputs)
            rivals = readers.get((old.applications[node.index].canonical, inputs))
            if rivals:
                other = rivals.popleft()
                self._pairs[node.index], self._back[other] = other, node.index
                self._moved.add(other)

    def _match_in_scope(self, lost: Sequence[Item], gained: Sequence[Item]) -> None:
        """Match unpaired layers without weights that moved within their scope."""
        spots: dict[Hashable, deque[int]] = defaultdict(deque)
        for item in gained:
            if item.node is not None and not item.weighted and item.node not in self._back:
                spots[item.parent, item.structure].append(item.node)
        for item in lost:
            if item.node is None or item.weighted or item.node in self._pairs or item.parent is None:
                continue
            rivals = spots.get((self._partners.get(item.parent), item.structure))
            if rivals:
                other = rivals.popleft()
                self._pairs[item.node], self._back[other] = other, item.node
                self._moved.add(other)


def _kind(item: Item) -> Hashable:
    """Everything except the label that determines the score of a pair with this item."""
    return item.structure, item.callee, item.label.isdigit(), item.weighted, item.node is None, bool(item.node)


def _identity(item: Item) -> Hashable:
    # Single layers with the same arguments are only distinguished by name.
    return (item.structure, item.label) if item.node is not None else item.structure


def _same(old: Item, new: Item) -> bool:
    return old.named == new.named and (old.label == new.label or not old.weighted)
