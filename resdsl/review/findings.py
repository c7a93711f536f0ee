"""What differs between two networks whose layers are paired, piece by piece and place by place."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from resdsl.ir.graph import Graph, Node
from resdsl.review.align import Alignment, Slot, commutes
from resdsl.review.changes import Field
from resdsl.review.sameness import Sameness
from resdsl.review.trees import Item
from resdsl.review.wording import called, described, operator_fields, operator_text


@dataclass(slots=True, eq=False)
class Finding:
    """One difference in one place. ``before`` and ``after`` are the piece in the old and in the new network.

    ``old_nodes`` and ``new_nodes`` are the layers whose cost it accounts for; ``counts`` of a repetition how often the
    block is called in the two.
    """

    kind: str
    before: Item | None
    after: Item | None
    what: str
    old_nodes: tuple[int, ...] = ()
    new_nodes: tuple[int, ...] = ()
    fields: tuple[Field, ...] = ()
    counts: tuple[int, int] = (0, 0)

    @property
    def item(self) -> Item:
        item = self.after or self.before
        assert item is not None
        return item


class Finder:
    """All findings of an alignment, in the order of the new network, what is gone before what came."""

    def __init__(self, old: Graph, new: Graph, alignment: Alignment) -> None:
        self._old = old
        self._new = new
        self._alignment = alignment
        self._same = Sameness(old, new)
        self._old_leaves = {item.node: item for item in alignment.old.walk() if item.node is not None}
        self._new_leaves = {item.node: item for item in alignment.new.walk() if item.node is not None}
        self._displaced = {index for index in alignment.moved if not self._keeps_inputs(new.nodes[index])}
        self._displaced_from = {alignment.back[index] for index in self._displaced}
        self._repeated: set[Item] = set()
        # For each old layer, the new one of the last layer up to it that is in both.
        paired = [alignment.pairs.get(index, 0) for index in range(len(old.nodes))]
        self._still_there = list(accumulate(paired, _later))

    def findings(self) -> list[Finding]:
        found = [
            *self._repetitions(),
            *self._whole(self._alignment.old, "removed"),
            *self._whole(self._alignment.new, "added"),
            *self._displacements(),
            *self._pairs(),
        ]
        return sorted(found, key=self._position)

    @property
    def displaced(self) -> set[int]:
        """New nodes that stand elsewhere and take other values there."""
        return self._displaced

    def leaf_pairs(self) -> Iterator[tuple[Item, Item]]:
        for old, new in self._alignment.pairs.items():
            yield self._old_leaves[old], self._new_leaves[new]

    def _position(self, finding: Finding) -> tuple[int, int]:
        if finding.after is not None:
            return min(finding.after.leaves, default=0), 1
        # What is gone stood after the last layer before it that is still there.
        assert finding.before is not None
        return self._still_there[min(finding.before.leaves, default=0)], 0

    # --- pieces that are in one of the two ---

    def _repetitions(self) -> Iterator[Finding]:
        """Blocks of which there are more, or fewer, among their like."""
        for scope, slots in self._alignment.slots.items():
            for place, callees in ((0, self._alone(slots, 1)), (1, self._alone(slots, 0))):
                for callee, items in callees.items():
                    finding = self._repetition(scope, slots, callee, items, added=place == 1)
                    if finding is not None:
                        self._repeated.update(items)
                        yield finding

    def _alone(self, slots: list[Slot], lacking: int) -> dict[str, list[Item]]:
        found: dict[str, list[Item]] = defaultdict(list)
        for slot in slots:
            item = slot[1 - lacking]
            if slot[lacking] is None and item is not None and item.callee and not self._any_paired(item):
                found[item.callee].append(item)
        return found

    def _any_paired(self, item: Item) -> bool:
        known = self._alignment.back if self._is_new(item) else self._alignment.pairs
        return any(leaf in known for leaf in item.leaves)

    def _is_new(self, item: Item) -> bool:
        root = item
        while root.parent is not None:
            root = root.parent
        return root is self._alignment.new

    def _repetition(
        self, scope: Item, slots: list[Slot], callee: str, items: list[Item], *, added: bool
    ) -> Finding | None:
        counts = tuple(sum(1 for slot in slots if (one := slot[side]) and one.callee == callee) for side in (0, 1))
        old, new = counts
        texts = {called(item) for item in items}
        if not old or not new or abs(new - old) != len(items) or len(texts) != 1:
            return None
        alone = set(items)
        siblings = {called(one) for slot in slots if (one := slot[added]) and one not in alone}
        if not texts & siblings:
            return None
        nodes = tuple(leaf for item in items for leaf in item.leaves)
        partner = self._alignment.partners[scope]
        return Finding(
            "repeated",
            scope,
            partner,
            texts.pop(),
            () if added else nodes,
            nodes if added else (),
            counts=(old, new),
        )

    def _whole(self, item: Item, kind: str) -> Iterator[Finding]:
        """The largest pieces of which nothing is in the other network."""
        known = self._alignment.pairs if kind == "removed" else self._alignment.back
        graph = self._old if kind == "removed" else self._new
        for child in item.children:
            if child in self._repeated:
                continue
            alone = [leaf for leaf in child.leaves if leaf not in known]
            if not alone:
                continue
            if len(alone) < len(child.leaves):
                yield from self._whole(child, kind)
                continue
            nodes = tuple(child.leaves)
            what = described(child, graph)
            if kind == "removed":
                yield Finding(kind, child, None, what, old_nodes=nodes)
            else:
                yield Finding(kind, None, child, what, new_nodes=nodes)

    def _displacements(self) -> Iterator[Finding]:
        pending = list(reversed(self._alignment.new.children)) if self._displaced else []
        while pending:
            item = pending.pop()
            inside = [leaf in self._displaced for leaf in item.leaves]
            partner = self._partner(item)
            # The first layer of a piece is the one that takes something else.
            if partner is not None and inside[:1] == [True] and self._is_moved(item):
                what = described(item, self._new)
                yield Finding("moved", partner, item, what, tuple(partner.leaves), tuple(item.leaves))
            elif any(inside):
                pending.extend(reversed(item.children))

    def _is_moved(self, item: Item) -> bool:
        return all(leaf in self._alignment.moved for leaf in item.leaves)

    def _partner(self, item: Item) -> Item | None:
        if item.node is not None:
            old = self._alignment.back.get(item.node)
            return self._old_leaves[old] if old is not None else None
        return self._alignment.partners.get(item)

    # --- layers that are in both ---

    def _pairs(self) -> Iterator[Finding]:
        for old, new in self._alignment.pairs.items():
            before, after = self._old.nodes[old], self._new.nodes[new]
            items = self._old_leaves[old], self._new_leaves[new]
            if not self._same.of_operators(old, new):
                fields = operator_fields(before.operator, after.operator)
                what = operator_text(after.operator).partition("(")[0].partition(" ")[0]
                yield Finding("changed", *items, what, (old,), (new,), fields)
            elif new not in self._displaced and not self._keeps_inputs(after) and not self._is_explained(after):
                what = described(items[1], self._new)
                yield Finding("rewired", *items, what, (old,), (new,))

    def _keeps_inputs(self, node: Node) -> bool:
        """Whether a layer takes the values that it took, as far as they are in both networks."""
        back = self._alignment.back
        before = self._old.nodes[back[node.index]].inputs
        if len(before) == len(node.inputs) == 1:
            return back.get(node.inputs[0]) == before[0]
        inputs = tuple([back.get(index) for index in node.inputs])
        return inputs == before or (commutes(node) and Counter(inputs) == Counter(before))

    def _is_explained(self, node: Node) -> bool:
        """Whether it takes other values only because of what came, went or moved."""
        back = self._alignment.back
        before = Counter(self._old.nodes[back[node.index]].inputs)
        after = Counter(back[index] for index in node.inputs if index in back)
        came = any(index not in back or index in self._displaced for index in node.inputs)
        went = any(index not in self._alignment.pairs or index in self._displaced_from for index in before - after)
        others = any(index not in self._displaced_from for index in after - before)
        return went or (came and not others)


def _later(last: int, following: int) -> int:
    return following or last
