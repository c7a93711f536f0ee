"""The units of a flat chain: runs of operators that repeat, such as the blocks of a network whose file names none.

A residual or another join is a unit with the activations after it. Its main path is a template: a run of the chain that
has the same operators is the same unit without a shortcut, as where a stage of an inverted residual network begins.
What stands between units, or in a chain without joins, is a unit where it repeats itself.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence, Set
from dataclasses import dataclass, field

from resdsl.decompile.nest import Nest
from resdsl.decompile.tree import Item, Join, Op, Residual, nodes_of
from resdsl.decompile.tree import Sequence as Chain
from resdsl.ir.graph import Node
from resdsl.ir.types import Size
from resdsl.ops.channel_shuffle import ChannelShuffle
from resdsl.ops.conv import Conv
from resdsl.ops.flatten import Flatten
from resdsl.ops.linear import Linear

LONGEST_PERIOD = 12
"""Operators of a unit that only repeats itself, without a join."""

LEAST_REPEATS = 3
"""How often it does so in a row."""

MOST_ITEMS = 3_000
"""Items of a chain that is searched: the search for repeats is quadratic in the worst case."""

Signature = Hashable
Slot = tuple[str, int, int]


@dataclass(eq=False, slots=True)
class Unit:
    """A run of items of the chain from ``first`` to ``last``, exclusive. ``main`` is what it has without a join around
    it, ``shortcut`` its projection; ``slots`` give each of its nodes a place that is the same in all units of its
    ``kind``.
    """

    first: int
    last: int
    main: list[Item]
    shortcut: list[Item]
    rest: list[Node]
    word: str = "layer"
    """What it is called, with a number, where the file has no name for it."""
    kind: int = -1
    slots: dict[int, Slot] = field(default_factory=dict)

    @property
    def nodes(self) -> list[Node]:
        found = [node for item in (*self.main, *self.shortcut) for node in nodes_of(item)]
        return [*found, *self.rest]


@dataclass(slots=True)
class _Kind:
    main: list[Signature]
    shortcut: list[Signature]


def find_units(nest: Nest, weighted: Set[int]) -> list[Unit]:
    """The units of the main chain in its order, each with its kind; empty where the chain is too long."""
    items = nest.top.items
    if len(items) > MOST_ITEMS:
        return []
    finder = _Finder(nest, weighted)
    units = finder.units()
    _assign_kinds(units, finder)
    return units


class _Finder:
    def __init__(self, nest: Nest, weighted: Set[int]) -> None:
        self.nest = nest
        self.weighted = weighted
        self.items = nest.top.items
        self.signatures = [self.signature(item) for item in self.items]
        self.taken = [False] * len(self.items)

    def units(self) -> list[Unit]:
        found = [self._residual(place, item) for place, item in enumerate(self.items) if isinstance(item, Residual)]
        units = [unit for unit in found if unit is not None]
        templates = sorted({tuple(map(self.signature, unit.main)) for unit in units}, key=len, reverse=True)
        units += self._runs(templates)
        units += [self._join(place) for place in range(len(self.items)) if self._is_free_join(place)]
        units += self._repeats()
        units += self._between(sorted(units, key=lambda unit: unit.first))
        return sorted(units, key=lambda unit: unit.first)

    # --- what an item looks like ---------------------------------------------------------------------------------

    def signature(self, item: Item) -> Signature:
        """Operators without numbers; convolutions by what they mix."""
        if isinstance(item, Op):
            return self._operator(item.node)
        if isinstance(item, Join):
            return type(item.node.operator).__name__, *(self._chain(branch) for branch in item.branches)
        if isinstance(item, Residual):
            return "residual", self._chain(item.main), self._chain(item.shortcut)
        return "group", self._chain(item.body)

    def _chain(self, chain: Chain) -> Signature:
        return chain.source is None, *(self.signature(item) for item in chain.items)

    def _operator(self, node: Node) -> str:
        operator = node.operator
        name = operator.name or type(operator).__name__
        if not isinstance(operator, Conv):
            return name
        if operator.groups > 1 and operator.groups == self.nest.nodes[node.inputs[0]].type.shape[1]:
            return "depthwise conv"
        return "pointwise conv" if operator.kernel == Size(1, 1) else name

    def layers(self, items: Sequence[Item]) -> int:
        """Convolutions and linear layers below: what makes a run more than an operator with its norm."""
        return sum(isinstance(node.operator, Conv | Linear) for item in items for node in nodes_of(item))

    # --- units ---------------------------------------------------------------------------------------------------

    def _claim(self, first: int, last: int) -> None:
        self.taken[first:last] = [True] * (last - first)

    def _trailing(self, place: int) -> int:
        """The end of the activations from a place on, and of a shuffle of channels: they belong to what they follow."""
        while place < len(self.items) and not self.taken[place]:
            item = self.items[place]
            if not isinstance(item, Op) or item.node.index in self.weighted or isinstance(item.node.operator, Flatten):
                break
            if not item.node.operator.drawn_inside and not isinstance(item.node.operator, ChannelShuffle):
                break
            place += 1
        return place

    def _residual(self, place: int, item: Residual) -> Unit | None:
        if sum(node.index in self.weighted for node in nodes_of(item)) < 2:
            return None
        first, last = place - self._leading(place, item), self._trailing(place + 1)
        self._claim(first, last)
        before, after = self.items[first:place], self.items[place + 1 : last]
        own = [item.node] if item.scale is None else [item.scale, item.node]
        return Unit(first, last, [*before, *item.main.items, *after], item.shortcut.items, own)

    def _leading(self, place: int, item: Residual) -> int:
        """The norm and activation before a projection, which other blocks have inside."""
        if not item.shortcut.items:
            return 0
        starts = {tuple(map(self.signature, other.main.items)) for other in self.items if isinstance(other, Residual)}
        own = tuple(map(self.signature, item.main.items))
        for count in (2, 1):
            if place >= count and not any(self.taken[place - count : place]):
                before = self.items[place - count : place]
                if (
                    all(isinstance(one, Op) for one in before)
                    and (*self.signatures[place - count : place], *own) in starts
                ):
                    return count
        return 0

    def _is_free_join(self, place: int) -> bool:
        item = self.items[place]
        weighted = sum(node.index in self.weighted for node in nodes_of(item))
        return isinstance(item, Join) and not self.taken[place] and weighted > 1

    def _join(self, place: int) -> Unit:
        last = self._trailing(place + 1)
        self._claim(place, last)
        return Unit(place, last, self.items[place:last], [], [])

    def _runs(self, templates: list[tuple[Signature, ...]]) -> list[Unit]:
        """Runs of the chain that are the main path of a residual, whole or without what it begins with."""
        units = []
        whole = [one for one in templates if len(one) > 1]
        parts = sorted({part for one in whole for part in _parts(one)} - set(whole), key=len, reverse=True)
        for candidates, least in ((whole, 2), (parts, 2)):
            place = 0
            while place < len(self.items):
                found = next((one for one in candidates if self._is_run(place, one, least)), None)
                if found is None:
                    place += 1
                    continue
                last = place + len(found)
                self._claim(place, last)
                units.append(Unit(place, last, self.items[place:last], [], []))
                place = last
        return units

    def _is_run(self, place: int, template: tuple[Signature, ...], least: int) -> bool:
        last = place + len(template)
        if any(self.taken[place:last]) or tuple(self.signatures[place:last]) != template:
            return False
        return self.layers(self.items[place:last]) >= least

    def _repeats(self) -> list[Unit]:
        """Runs of the chain that follow each other several times, from the one on that covers most."""
        units: list[Unit] = []
        while (best := self._best_repeat()) is not None:
            first, period, count = best
            for place in range(first, first + period * count, period):
                self._claim(place, place + period)
                units.append(Unit(place, place + period, self.items[place : place + period], [], []))
        return units

    def _best_repeat(self) -> tuple[int, int, int] | None:
        best: tuple[int, int, int] | None = None
        for period in range(2, LONGEST_PERIOD + 1):
            # How far each item equals the one a period later.
            same = 0
            for place in reversed(range(len(self.items) - period)):
                free = not self.taken[place] and not self.taken[place + period]
                same = same + 1 if free and self.signatures[place] == self.signatures[place + period] else 0
                count = same // period + 1
                item = self.items[place]
                if count < LEAST_REPEATS or not isinstance(item, Op) or not isinstance(item.node.operator, Conv):
                    continue
                if (best is None or self._covers(place, period, count) > self._covers(*best)) and self.layers(
                    self.items[place : place + period]
                ) > 1:
                    best = place, period, count
        return best

    def _covers(self, place: int, period: int, count: int) -> tuple[int, bool]:
        """How much of the chain a repeat is. A depthwise separable convolution begins with the depthwise one."""
        return period * count, self.signatures[place] == "depthwise conv"

    def _between(self, units: list[Unit]) -> list[Unit]:
        """What stands between units, where it stands there more than once: the transitions of a dense network."""
        gaps = [
            (before.last, after.first)
            for before, after in itertools.pairwise(units)
            if before.last < after.first and sum(map(self._is_weighted, self.items[before.last : after.first])) > 1
        ]
        counts = Counter(tuple(self.signatures[first:last]) for first, last in gaps)
        return [
            Unit(first, last, self.items[first:last], [], [], "transition")
            for first, last in gaps
            if counts[tuple(self.signatures[first:last])] > 1
        ]

    def _is_weighted(self, item: Item) -> bool:
        return any(node.index in self.weighted for node in nodes_of(item))


def _parts(template: tuple[Signature, ...]) -> Iterator[tuple[Signature, ...]]:
    """Templates without the expansion at the beginning, or without a join, that still identify a unit."""
    for start in range(1, len(template) // 2 + 1):
        part = template[start:]
        if str(part[0]).endswith("conv") and ("depthwise conv" in part):
            yield part
    for place, one in enumerate(template):
        if isinstance(one, tuple):
            yield template[:place] + template[place + 1 :]


# --- kinds ----------------------------------------------------------------------------------------------------------


def _assign_kinds(units: list[Unit], finder: _Finder) -> None:
    """Units are of one kind if they have the same operators, where one may lack a run of them, or the shortcut."""
    kinds: list[_Kind] = []
    described = [(list(map(finder.signature, one.main)), list(map(finder.signature, one.shortcut))) for one in units]
    order = sorted(range(len(units)), key=lambda place: -len(described[place][0]) - len(described[place][1]))
    for place in order:
        main, shortcut = described[place]
        unit = units[place]
        for number, kind in enumerate(kinds):
            places = _aligned(main, kind.main)
            sides = _aligned(shortcut, kind.shortcut) if kind.shortcut else list(range(len(shortcut)))
            if places is not None and sides is not None:
                kind.shortcut = kind.shortcut or shortcut
                unit.kind = number
                break
        else:
            unit.kind, places, sides = len(kinds), list(range(len(main))), list(range(len(shortcut)))
            kinds.append(_Kind(main, shortcut))
        for name, items, at in (("main", unit.main, places), ("shortcut", unit.shortcut, sides)):
            for item, own in zip(items, at, strict=True):
                unit.slots |= {node.index: (name, own, count) for count, node in enumerate(nodes_of(item))}


def _aligned(small: list[Signature], big: list[Signature]) -> list[int] | None:
    """The places of ``big`` that ``small`` has, which may lack one run of at most half of it."""
    gap = len(big) - len(small)
    if gap < 0 or (2 * gap > len(big) and small):
        return None
    first = 0
    while first < len(small) and small[first] == big[first]:
        first += 1
    if small[first:] != big[first + gap :]:
        return None
    return [place if place < first else place + gap for place in range(len(small))]
