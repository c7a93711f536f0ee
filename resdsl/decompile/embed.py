"""Whether one group is an instance of what another one shows: the same items, or some of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from resdsl.decompile.tree import Group, Item, Join, Op, Residual, Sequence, nodes_of
from resdsl.ir.operator import Operator
from resdsl.ops.opaque import Opaque

MOST_OPTIONAL = 2
"""Runs of items that an instance of a block may lack, each of which becomes an `if`."""

MOST_WORK = 200_000
"""Pairs of items that are compared. Gaps inside gaps can be embedded in very many ways; after so
many no more blocks are found. Published networks take some thousand."""


Prefixes = tuple[str, str] | None
"""The paths of the two groups while their own bodies are compared, where every weight needs a label; else ``None``:
in groups inside them, names follow from places, which differ where one lacks an item."""


@dataclass(slots=True)
class Binding:
    """For each item of the larger group (by identity) the one of the smaller group that it stands for.

    ``missing`` are items that the smaller group does not have; ``plain`` are residuals whose main path it has alone.
    """

    items: dict[int, Item] = field(default_factory=dict)
    missing: list[Item] = field(default_factory=list)
    plain: set[int] = field(default_factory=set)
    runs: int = 0


@dataclass(slots=True)
class Embedder:
    """Embeds groups into others. ``family`` tells which block a group is an instance of (``None``: written inline)."""

    family: Mapping[int, int]
    """By the identity of a group: the number of its block."""
    weighted: frozenset[int]
    """The nodes that own tensors."""
    classes: Mapping[str, str]
    """The class of the module that a path is, where it is known."""

    variants: bool = True
    """Whether an instance may lack items that others have."""
    _signatures: dict[int, Hashable] = field(default_factory=dict)
    _failed: set[tuple[Hashable, Hashable]] = field(default_factory=set)
    _work: int = 0
    """Pairs of items that have been compared."""

    def embed(self, small: Group, big: Group) -> Binding | None:
        """How ``small`` is contained in ``big``; ``None`` where it is not."""
        key = self.signature(small), self.signature(big)
        # Groups of the same structure are many, and all answers "no" for them are one.
        if key in self._failed:
            return None
        binding = self._embed(small, big)
        if binding is None:
            self._failed.add(key)
        return binding

    def signature(self, group: Group) -> Hashable:
        """What decides whether a group is an instance of another: operators, labels and calls, without numbers."""
        known = self._signatures.get(id(group))
        if known is None:
            known = self._signatures[id(group)] = (
                self.classes.get(group.path, ""),
                self._shape(group.body, f"{group.path}."),
            )
        return known

    def _shape(self, sequence: Sequence, prefix: str) -> Hashable:
        parts: list[Hashable] = [sequence.source is None]
        for item in sequence.items:
            if isinstance(item, Op):
                weighted = item.node.index in self.weighted
                parts.append((item.node.operator, item.path.removeprefix(prefix) if weighted else ""))
            elif isinstance(item, Group):
                inner = self.family.get(id(item)) or self._shape(item.body, f"{item.path}.")
                parts.append((item.path.removeprefix(prefix), inner, tuple(_operators(item))))
            elif isinstance(item, Join):
                parts.append((type(item.node.operator), *(self._shape(branch, prefix) for branch in item.branches)))
            else:
                shortcut = item.zeros or self._shape(item.shortcut, prefix)
                parts.append((item.factor, self._shape(item.main, prefix), shortcut))
        return tuple(parts)

    def _embed(self, small: Group, big: Group) -> Binding | None:
        binding = Binding()
        if not self._sequence(small.body, big.body, binding, (small.path, big.path)):
            return None
        if not self.variants and (binding.missing or binding.plain):
            return None
        if binding.runs > MOST_OPTIONAL or (binding.missing and self.is_list(big)):
            return None
        kinds = {self.classes.get(small.path, ""), self.classes.get(big.path, "")} - {""}
        if len(kinds) > 1:
            return None
        absent = sum(1 for item in binding.missing for _ in nodes_of(item))
        total = sum(1 for _ in nodes_of(big))
        return binding if 2 * absent <= total else None

    def is_list(self, group: Group) -> bool:
        """Whether a group is a list of calls of one block, whose length is no matter of options."""
        families = {self.family.get(id(item)) for item in group.body.items}
        return len(families) == 1 and families != {None}

    def longest_run(self, group: Group) -> int:
        """The most calls of one block in a row in the group's own body."""
        longest = count = 0
        before: int | None = None
        for item in group.body.items:
            family = self.family.get(id(item))
            count = count + 1 if family is not None and family == before else int(family is not None)
            before = family
            longest = max(longest, count)
        return longest

    def _sequence(self, small: Sequence, big: Sequence, binding: Binding, prefixes: Prefixes) -> bool:
        if (small.source is None) != (big.source is None):
            return False
        mark = _copy(binding)
        if self._items(small.items, big.items, binding, prefixes):
            return True
        # A residual in the larger one, of which the smaller one has the main path alone.
        for place, item in enumerate(big.items):
            if not isinstance(item, Residual):
                continue
            _restore(binding, mark)
            flat = [*big.items[:place], *item.main.items, *big.items[place + 1 :]]
            if (
                item.scale is None
                and len(flat) >= len(small.items)
                and self._items(small.items, flat, binding, prefixes)
            ):
                binding.plain.add(id(item))
                return True
        return False

    def _items(self, small: list[Item], big: list[Item], binding: Binding, prefixes: Prefixes) -> bool:
        """The items of ``small`` in the order of ``big``, from both ends; what is left in the middle is missing.

        Where the gap can be in several places, it is where what is left resembles most.
        """
        if len(small) > len(big):
            return False
        gap = len(big) - len(small)
        mark = _copy(binding)
        first = 0
        while first < len(small) and self._item(small[first], big[first], binding, prefixes):
            first += 1
        if not gap:
            return first == len(small)
        last = 0
        while last < len(small) and self._item(small[-1 - last], big[-1 - last], binding, prefixes):
            last += 1
        if first + last < len(small):
            return False
        places = list(range(len(small) - last, first + 1))
        places = [place for place in places if not self._shortens(big, place, gap)]
        if not places:
            return False
        best = max(
            places,
            key=lambda place: sum(
                _likeness(one, big[index if index < place else index + gap]) for index, one in enumerate(small)
            ),
        )
        _restore(binding, mark)
        for index, one in enumerate(small):
            self._item(one, big[index if index < best else index + gap], binding, prefixes)
        binding.missing += big[best : best + gap]
        binding.runs += 1
        return True

    def _shortens(self, items: list[Item], place: int, gap: int) -> bool:
        """Whether the ``gap`` items from ``place`` on are some of a list: lists differ in length, not in kind."""
        for offset, beside in ((0, place - 1), (gap - 1, place + gap)):
            item = items[place + offset]
            family = self.family.get(id(item))
            if not 0 <= beside < len(items) or not isinstance(item, Group):
                continue
            if family is not None and self.family.get(id(items[beside])) == family:
                further = (beside + 1, beside - 1, place + offset + 1, place + offset - 1)
                others = {one for one in further if 0 <= one < len(items)} - {beside, place + offset}
                if any(self.family.get(id(items[one])) == family for one in others):
                    return True
            if _operators(item) == _operators(items[beside]):
                return True
        return False

    def _item(self, small: Item, big: Item, binding: Binding, prefixes: Prefixes) -> bool:
        if type(small) is not type(big):
            return False
        self._work += 1 + len(binding.items) // 16
        if self._work > MOST_WORK:
            return False
        before = _copy(binding)
        if self._matches(small, big, binding, prefixes):
            binding.items[id(big)] = small
            return True
        _restore(binding, before)
        return False

    def _matches(self, small: Item, big: Item, binding: Binding, prefixes: Prefixes) -> bool:
        if isinstance(small, Op) and isinstance(big, Op):
            if type(small.node.operator) is not type(big.node.operator) or isinstance(small.node.operator, Opaque):
                return False
            return self._label(small, prefixes, 0) == self._label(big, prefixes, 1)
        if isinstance(small, Group) and isinstance(big, Group):
            one, other = self.family.get(id(small)), self.family.get(id(big))
            if one != other or self._label(small, prefixes, 0) != self._label(big, prefixes, 1):
                return False
            if one is not None:
                return True
            # In a labelled group, operators are named by their place, unless they have labels.
            return self._sequence(small.body, big.body, binding, None)
        if isinstance(small, Join) and isinstance(big, Join):
            return (
                type(small.node.operator) is type(big.node.operator)
                and len(small.branches) == len(big.branches)
                and all(
                    self._sequence(a, b, binding, prefixes) for a, b in zip(small.branches, big.branches, strict=True)
                )
            )
        if isinstance(small, Residual) and isinstance(big, Residual):
            if small.factor != big.factor and (small.scale is None) != (big.scale is None):
                return False
            if not self._sequence(small.main, big.main, binding, prefixes):
                return False
            if not small.shortcut.items and small.shortcut.source is None:
                # The identity, where the other one may project.
                return True
            if small.zeros or big.zeros:
                return small.zeros == big.zeros
            return self._sequence(small.shortcut, big.shortcut, binding, prefixes)
        return False

    def _label(self, item: Op | Group, prefixes: Prefixes, place: int) -> str:
        """The label that an item has in its body."""
        if isinstance(item, Op) and item.node.index not in self.weighted:
            return ""
        if prefixes is not None:
            return item.path.removeprefix(f"{prefixes[place]}.")
        if isinstance(item, Group):
            # A call is named by its place, as far as the file does so.
            last = item.path.rpartition(".")[2]
            return "" if id(item) in self.family and last.isdigit() else last
        return item.label


def _copy(binding: Binding) -> Binding:
    return Binding(dict(binding.items), list(binding.missing), set(binding.plain), binding.runs)


def _restore(binding: Binding, mark: Binding) -> None:
    binding.items, binding.missing = dict(mark.items), list(mark.missing)
    binding.plain, binding.runs = set(mark.plain), mark.runs


def _operators(item: Item) -> list[Operator]:
    return [node.operator for node in nodes_of(item)]


def _likeness(one: Item, other: Item) -> int:
    """In how many arguments the operators of two items agree; counts of channels aside, which differ anyway."""
    total = 0
    for a, b in zip(nodes_of(one), nodes_of(other), strict=False):
        if type(a.operator) is not type(b.operator):
            continue
        for field_ in dataclasses.fields(a.operator):
            x, y = getattr(a.operator, field_.name), getattr(b.operator, field_.name)
            total += (
                (x > 1) == (y > 1)
                if field_.name == "groups"
                else x == y and field_.name not in ("channels", "features")
            )
    return total
