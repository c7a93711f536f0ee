"""Two networks side by side, line by line, with unchanged parts folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from resdsl.ir.graph import Graph
from resdsl.review.align import Alignment, Slot
from resdsl.review.marks import Mark
from resdsl.review.review import Review
from resdsl.review.trees import Item
from resdsl.review.wording import described, paths


@dataclass(frozen=True, slots=True)
class Cell:
    """One side of a line: label, piece in the syntax of the language, and output shape."""

    label: str
    text: str
    shape: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the comparison at nesting level ``depth``.

    ``mark`` is one of ``resdsl.review.marks.Mark``, or ``inside`` where the lines below show what changed in a scope.
    """

    depth: int
    mark: str
    old: Cell | None
    new: Cell | None


def side_by_side(review: Review) -> tuple[Line, ...]:
    """The lines of a review."""
    return tuple(_Walker(review).lines())


class _Walker:
    def __init__(self, review: Review) -> None:
        self._old, self._new = review.graphs
        self._alignment: Alignment = review.alignment
        self._marks = review.marks

    def lines(self) -> Iterator[Line]:
        return self._scope(self._alignment.old, 0)

    def _scope(self, old: Item, depth: int) -> Iterator[Line]:
        alignment = self._alignment
        slots = alignment.slots.get(old)
        if slots is None:
            slots = list(zip(old.children, alignment.partners[old].children, strict=True))
        for mark, group in groupby(slots, key=self._mark):
            same = list(group)
            if mark in ("same", "follows") and len(same) > 1:
                yield from self._folded(same, mark, depth)
                continue
            for _, alike in groupby(same, key=_structures):
                run = list(alike)
                if mark == "inside":
                    yield from self._opened(run, depth)
                    continue
                for before, after in run:
                    yield Line(depth, mark, self._cell(before, self._old), self._cell(after, self._new))

    def _opened(self, slots: Sequence[Slot], depth: int) -> Iterator[Line]:
        """Consecutive scopes with the same changes, of which only the first is opened."""
        pairs = [(before, after) for before, after in slots if before is not None and after is not None]
        old, new = [one for one, _ in pairs], [one for _, one in pairs]
        yield Line(depth, "inside", self._run(old, self._old), self._run(new, self._new))
        yield from self._scope(old[0], depth + 1)

    def _folded(self, slots: Sequence[Slot], mark: str, depth: int) -> Iterator[Line]:
        """Equal calls in one line; layers one per line, or in one line if there are many."""
        for is_layer, group in groupby(slots, key=_is_layer):
            part = [(before, after) for before, after in group if before is not None and after is not None]
            if is_layer and len(part) > 3:
                sides = [one for one, _ in part], [one for _, one in part]
                yield Line(depth, mark, self._several(sides[0], self._old), self._several(sides[1], self._new))
            else:
                yield from self._runs(part, mark, depth)

    def _runs(self, slots: Sequence[tuple[Item, Item]], mark: str, depth: int) -> Iterator[Line]:
        for _, group in groupby(slots, key=self._calls):
            equal = list(group)
            yield Line(
                depth,
                mark,
                self._run([before for before, _ in equal], self._old),
                self._run([after for _, after in equal], self._new),
            )

    def _calls(self, pair: tuple[Item, Item]) -> tuple[str, str]:
        return described(pair[0], self._old), described(pair[1], self._new)

    def _several(self, items: Sequence[Item], graph: Graph) -> Cell:
        text = ", ".join(dict.fromkeys(described(item, graph) for item in items))
        cell = self._cell(items[-1], graph)
        assert cell is not None
        return Cell(f"{len(items)} layers", text, cell.shape)

    def _run(self, items: Sequence[Item], graph: Graph) -> Cell:
        cell = self._cell(items[-1], graph)
        assert cell is not None
        if len(items) == 1:
            return cell
        return Cell(paths([item.label for item in items], 2), f"{len(items)} x {cell.text}", cell.shape)

    def _cell(self, item: Item | None, graph: Graph) -> Cell | None:
        if item is None:
            return None
        return Cell(item.label, described(item, graph), str(graph.nodes[item.output].type))

    def _mark(self, slot: Slot) -> str:
        old, new = slot
        if old is None or new is None:
            return self._mark_alone(slot)
        if old.node is None and old.structure != new.structure:
            return "inside"
        renamed = old.weighted and old.label != new.label
        marks = {self._marks.new[leaf] for leaf in new.leaves}
        # Names below a renamed scope differ too; only the line whose own label differs shows it.
        for mark in (Mark.CHANGED, Mark.MOVED, *([Mark.RENAMED] if renamed else [])):
            if mark in marks:
                return mark
        return "same" if self._marks.follows.isdisjoint(new.leaves) else "follows"

    def _mark_alone(self, slot: Slot) -> str:
        """The mark of an item on one side: removed, added, or on another line of the other side."""
        old, new = slot
        item, marks = (old, self._marks.old) if old is not None else (new, self._marks.new)
        assert item is not None
        present = {marks[leaf] for leaf in item.leaves}
        if not present.isdisjoint((Mark.ADDED, Mark.REMOVED)):
            return "added" if old is None else "removed"
        return "renamed" if Mark.RENAMED in present and Mark.MOVED not in present else "moved"


def _structures(slot: Slot) -> tuple[int, ...]:
    return tuple(item.structure if item is not None else -1 for item in slot)


def _is_layer(slot: Slot) -> bool:
    return slot[0] is not None and slot[0].node is not None
