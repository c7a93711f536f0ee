"""List the single differences between two networks whose layers are paired."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from resdsl.ir.graph import Graph
from resdsl.review.align import Alignment, Slot
from resdsl.review.changes import Field
from resdsl.review.equality import NodeEquality
from resdsl.review.marks import Mark, Marks
from resdsl.review.trees import Item
from resdsl.review.wording import called, described, operator_fields, operator_text


@dataclass(slots=True, eq=False)
class Finding:
    """One difference at one location. ``before`` and ``after`` are the piece in the old and the new network.

    ``old_nodes`` and ``new_nodes`` are the layers whose cost it accounts for. For a repetition, ``counts`` are the
    numbers of calls of the block in both networks.
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
    """Lists the differences in the order of the new network, removed pieces before added ones."""

    def __init__(self, old: Graph, new: Graph, alignment: Alignment, marks: Marks) -> None:
        self._old = old
        self._new = new
        self._alignment = alignment
        self._marks = marks
        self._equal = NodeEquality(old, new)
        self._repeated: set[Item] = set()
        # For each old layer, the new counterpart of the last layer up to it that is in both networks.
        paired = [alignment.pairs.get(index, 0) for index in range(len(old.nodes))]
        self._still_there = list(accumulate(paired, _later))

    def findings(self) -> list[Finding]:
        findings = [
            *self._repetitions(),
            *self._whole(self._alignment.old, "removed"),
            *self._whole(self._alignment.new, "added"),
            *self._moved(),
            *self._pairs(),
        ]
        return sorted(findings, key=self._position)

    def _position(self, finding: Finding) -> tuple[int, int]:
        if finding.after is not None:
            return min(finding.after.leaves, default=0), 1
        # A removed piece is listed after the last layer before it that still exists.
        assert finding.before is not None
        return self._still_there[min(finding.before.leaves, default=0)], 0

    # --- pieces in one network ---

    def _repetitions(self) -> Iterator[Finding]:
        """Blocks that are repeated more or fewer times than before."""
        for scope, slots in self._alignment.slots.items():
            for place, callees in ((0, self._alone(slots, 1)), (1, self._alone(slots, 0))):
                for callee, items in callees.items():
                    finding = self._repetition(scope, slots, callee, items, added=place == 1)
                    if finding is not None:
                        self._repeated.update(items)
                        yield finding

    def _alone(self, slots: list[Slot], lacking: int) -> dict[str, list[Item]]:
        alone: dict[str, list[Item]] = defaultdict(list)
        for slot in slots:
            item = slot[1 - lacking]
            if slot[lacking] is None and item is not None and item.callee and not self._any_paired(item):
                alone[item.callee].append(item)
        return alone

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
        """The largest pieces without any layer in the other network."""
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

    # --- pieces in both networks ---

    def _moved(self) -> Iterator[Finding]:
        for old, new in self._marks.moved_pieces:
            yield Finding("moved", old, new, described(new, self._new), tuple(old.leaves), tuple(new.leaves))

    def _pairs(self) -> Iterator[Finding]:
        for old, new in self._alignment.pairs.items():
            if self._marks.new[new] is not Mark.CHANGED:
                continue
            before, after = self._old.nodes[old], self._new.nodes[new]
            items = self._alignment.old_leaves[old], self._alignment.new_leaves[new]
            if not self._equal.operators(old, new):
                fields = operator_fields(before.operator, after.operator)
                what = operator_text(after.operator).partition("(")[0].partition(" ")[0]
                yield Finding("changed", *items, what, (old,), (new,), fields)
            else:
                yield Finding("rewired", *items, described(items[1], self._new), (old,), (new,))


def _later(last: int, following: int) -> int:
    return following or last
