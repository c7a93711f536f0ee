"""Labelled groups by the paths of operators: neighbours below one name become a group of that name."""

from __future__ import annotations

from collections.abc import Set

from resdsl.decompile.tree import Group, Item, Join, Op, Residual, Sequence, nodes_of, sequences_of

Parts = tuple[str, ...]


class Scopes:
    """Makes the groups of a nest. ``placed`` are the nodes whose path the file has given, and not only a name."""

    def __init__(self, weighted: Set[int], placed: Set[int]) -> None:
        self._weighted = weighted
        self._placed = placed

    def group(self, top: Sequence) -> None:
        """Replace the items of a sequence, and of all in it, by groups where their paths have a part in common."""
        self._group(top, ())

    def _group(self, sequence: Sequence, prefix: Parts) -> None:
        scopes = self._scopes(sequence.items, prefix)
        runs = _runs(scopes, len(prefix))
        largest: dict[str, tuple[int, int]] = {}
        for first, last, part in runs:
            if part is not None and (part not in largest or last - first > largest[part][1] - largest[part][0]):
                largest[part] = first, last
        items: list[Item] = []
        for first, last, part in runs:
            run = sequence.items[first:last]
            # The same name in two places, and a module of one operator: a label with a dot says as much.
            single = len(run) == 1 and isinstance(run[0], Op)
            if part is None or largest[part] != (first, last) or single:
                items += run
                continue
            start = sequence.start if first == 0 else _end(sequence.items[first - 1])
            inner = Sequence(run, None, start, _end(run[-1]))
            self._group(inner, (*prefix, part))
            items.append(Group(".".join((*prefix, part)), part, inner))
        sequence.items = items
        for item in items:
            if not isinstance(item, Group):
                for one in sequences_of(item):
                    self._group(one, prefix)

    def _scopes(self, items: list[Item], prefix: Parts) -> list[Parts]:
        """For each item the module that it stands in; one without a place follows its neighbours."""
        known: list[Parts | None] = [self._scope(item) for item in items]
        after: list[Parts | None] = [None] * len(items)
        upcoming: Parts | None = None
        for place in reversed(range(len(items))):
            after[place] = upcoming
            upcoming = known[place] or upcoming
        scopes: list[Parts] = []
        before: Parts | None = None
        for place, (item, scope) in enumerate(zip(items, known, strict=True)):
            if scope is None:
                following = after[place]
                if before is None:
                    scope = prefix
                elif isinstance(item, Op) and item.node.operator.drawn_inside:
                    # An activation belongs to what it follows.
                    scope = before
                else:
                    scope = _common(before, following) if following is not None else prefix
            scopes.append(scope if scope[: len(prefix)] == prefix else prefix)
            before = scopes[-1]
        return scopes

    def _scope(self, item: Item) -> Parts | None:
        """The module that holds an item: for a join, all that is in it."""
        if isinstance(item, Op):
            if item.node.index not in self._weighted and item.node.index not in self._placed:
                return None
            return tuple(item.path.split(".")[:-1])
        found: Parts | None = None
        for node in nodes_of(item):
            if node.index in self._weighted:
                parts = tuple(node.path.split(".")[:-1])
                found = parts if found is None else _common(found, parts)
        own = item.node.index if isinstance(item, Join | Residual) else -1
        if own in self._placed:
            place = tuple(item.node.path.split(".")[:-1])  # type: ignore[union-attr]
            if found is None or place == found[: len(place)]:
                return place
        return found


def _end(item: Item) -> int:
    return item.body.end if isinstance(item, Group) else item.node.index


def _runs(scopes: list[Parts], depth: int) -> list[tuple[int, int, str | None]]:
    """Neighbours of the same next part: first and last place, and the part (``None`` for those with no further one)."""
    runs: list[tuple[int, int, str | None]] = []
    for place, scope in enumerate(scopes):
        part = scope[depth] if len(scope) > depth else None
        if runs and part is not None and runs[-1][2] == part:
            runs[-1] = runs[-1][0], place + 1, part
        else:
            runs.append((place, place + 1, part))
    return runs


def _common(one: Parts, other: Parts) -> Parts:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return one[:count]
