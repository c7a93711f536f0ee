"""Labelled groups by the paths of operators: neighbours below one name become a group of that name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set

from resdsl.decompile.nest import Nest
from resdsl.decompile.tree import Group, Item, Join, Op, Residual, Sequence, all_sequences, nodes_of, sequences_of
from resdsl.ops.concat import Concat
from resdsl.ops.flatten import Flatten

Parts = tuple[str, ...]


class Scopes:
    """Makes the groups of a nest. ``placed`` are the nodes whose path the file has given, and not only a name.

    ``torn`` are modules that are no groups, because what is in them stands in several places.
    """

    def __init__(self, weighted: Set[int], placed: Set[int], nest: Nest, torn: Set[Parts]) -> None:
        self._weighted = weighted
        self._placed = placed
        self._nest = nest
        # A name that is a layer's own cannot be a module's as well: what is below it has labels with dots.
        self._torn = torn
        self._layers = {tuple(node.path.split(".")) for node in nest.nodes if node.index in weighted}

    def group(self, top: Sequence) -> None:
        """Replace the items of a sequence, and of all in it, by groups where their paths have a part in common."""
        self._group(top, ())

    def _group(self, sequence: Sequence, prefix: Parts) -> None:
        self._flatten(sequence, prefix)
        scopes = self._scopes(sequence.items, prefix)
        runs = _runs(scopes, len(prefix), self._torn)
        largest: dict[Parts, tuple[int, int]] = {}
        for first, last, part in runs:
            if part is not None and (part not in largest or last - first > largest[part][1] - largest[part][0]):
                largest[part] = first, last
        items: list[Item] = []
        for first, last, part in runs:
            run = sequence.items[first:last]
            # The same name in two places, and a module of one operator: a label with a dot says as much.
            single = len(run) == 1 and isinstance(run[0], Op)
            is_layer = part is not None and (*prefix, *part) in self._layers
            if part is None or largest[part] != (first, last) or single or is_layer:
                items += run
                continue
            start = sequence.start if first == 0 else _end(sequence.items[first - 1])
            inner = Sequence(run, None, start, _end(run[-1]))
            self._group(inner, (*prefix, *part))
            items.append(Group(".".join((*prefix, *part)), ".".join(part), inner))
        sequence.items = items
        for item in items:
            if not isinstance(item, Group):
                for one in sequences_of(item):
                    self._group(one, prefix)

    def _flatten(self, sequence: Sequence, prefix: Parts) -> None:
        """Write the branches out before a join that would tear a module apart.

        In a feature pyramid the stages of the backbone are the longer branches of nested sums. They are one module, so
        they come first, and each sum starts a branch from a value that was tapped. A list of modules whose results are
        added outside of it stays torn: a sum would still stand between any two.
        """
        modules = [self._modules(item, len(prefix)) for item in sequence.items]
        holders = Counter(module for found in modules for module in found)
        place = 0
        while place < len(sequence.items):
            item = sequence.items[place]
            torn = any(holders[module] > 1 for module in modules[place] & self._before(sequence, place, len(prefix)))
            if torn and isinstance(item, Join | Residual) and self._scope(item) in (None, prefix):
                start = sequence.start if not place else _end(sequence.items[place - 1])
                flat = self._flat(item, start)
                if flat is not None:
                    holders.subtract(modules[place])
                    sequence.items[place : place + 1] = flat
                    modules[place : place + 1] = [self._modules(one, len(prefix)) for one in flat]
                    holders.update(module for found in modules[place : place + len(flat)] for module in found)
                    continue
            place += 1

    def _modules(self, item: Item, depth: int) -> set[str]:
        """The modules at this depth that layers of an item stand in."""
        found = set()
        for node in nodes_of(item):
            if node.index in self._weighted:
                parts = node.path.split(".")
                if len(parts) > depth + 1:
                    found.add(parts[depth])
        return found

    def _before(self, sequence: Sequence, place: int, depth: int) -> set[str]:
        """The module at this depth in which the value before an item is made, as far as that is known."""
        scopes = (self._scope(item) for item in reversed(sequence.items[:place]))
        scope = next((scope for scope in scopes if scope is not None), ())
        return set(scope[depth : depth + 1])

    def _flat(self, item: Join | Residual, start: int) -> list[Item] | None:
        """The longest branch as items of its own, and the join of what is left with it."""
        branches = item.branches if isinstance(item, Join) else [item.main, item.shortcut]
        longest = max(branches, key=lambda branch: sum(1 for _ in nodes_of(branch)))
        if not longest.items or longest.source is not None:
            return None
        before = list(longest.items)
        if isinstance(item, Residual) and item.scale is not None:
            before.append(Op(item.scale, item.scale.path))
        for branch in branches:
            if branch is not longest and branch.source is None:
                branch.source = branch.start = start
                self._nest.taps.add(start)
        end = _end(before[-1])
        longest.items, longest.start, longest.end = [], end, end
        return [*before, Join(item.node, branches)]

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
        for place, (item, own) in enumerate(zip(items, known, strict=True)):
            scope = own
            if scope is None and before is not None and _is_activation(item):
                # An activation belongs to what it follows.
                scope = before
            elif scope is None:
                following = after[place]
                scope = prefix if before is None or following is None else _common(before, following)
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
            grows = isinstance(item, Join) and isinstance(item.node.operator, Concat)
            # A dense layer is concatenated with its input by the module around it, or by the next layer.
            if found is None or (place == found[: len(place)] and not (grows and _has_identity(item))):
                return place
            if place[:1] != found[:1]:
                # It joins what another module has made, as a decoder does with the values of its encoder.
                return ()
        return found


def _is_activation(item: Item) -> bool:
    """An operator that pictures draw with the layer before it, but for the step from images to features."""
    return isinstance(item, Op) and item.node.operator.drawn_inside and not isinstance(item.node.operator, Flatten)


def _has_identity(item: Item) -> bool:
    return isinstance(item, Join) and any(not branch.items for branch in item.branches)


def _end(item: Item) -> int:
    return item.body.end if isinstance(item, Group) else item.node.index


def _runs(scopes: list[Parts], depth: int, torn: Set[Parts]) -> list[tuple[int, int, Parts | None]]:
    """Neighbours of the same next part: first and last place, and the part (``None`` for those with no further one).

    A module that is ``torn`` is no group: a part of it is one, together with its name.
    """
    runs: list[tuple[int, int, Parts | None]] = []
    for place, scope in enumerate(scopes):
        end = depth + 1
        while scope[:end] in torn and end <= len(scope):
            end += 1
        part = scope[depth:end] if len(scope) >= end else None
        if runs and part is not None and runs[-1][2] == part:
            runs[-1] = runs[-1][0], place + 1, part
        else:
            runs.append((place, place + 1, part))
    return runs


def torn_modules(tops: list[Sequence]) -> set[Parts]:
    """The modules that became a group in several places, where a name can stand only once."""
    counts = Counter(
        item.path for top in tops for one in all_sequences(top) for item in one.items if isinstance(item, Group)
    )
    return {tuple(path.split(".")) for path, count in counts.items() if count > 1}


def _common(one: Parts, other: Parts) -> Parts:
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return one[:count]
