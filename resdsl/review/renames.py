"""Find renames that map the tensor names of one network to those of another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from resdsl.review.changes import Renamed
from resdsl.weights.renaming import rename

_UNDONE, _DONE = "_old_", "_new_"
"""Prefixes that no layer name has."""


def find_renames(
    stored: Collection[str], wanted: Collection[str], names: Mapping[str, str], changes: Sequence[Renamed]
) -> dict[str, str]:
    """The shortest renames that give all shared tensors their new names, and no other tensor one of these.

    ``stored`` are the names in the old network, ``wanted`` those in the new one, and ``names`` maps the old names of
    shared tensors to the new ones. The renames are applied in order.
    """
    if all(before == after for before, after in names.items()):
        return {}
    short = {change.old: change.new for change in changes}
    heads = {place.old: place.new for change in changes for place in change.places if place.old and place.new}
    before, after = min(names.items(), key=lambda pair: len(pair[0]))
    prefix = {"": after.removesuffix(f".{before}")} if after.endswith(f".{before}") else {}
    for rules in (short, heads, dict(reversed(heads.items())), prefix):
        if rules and _does(stored, names, wanted, rules):
            return rules
    return _by_way_of(stored, names)


def renamed(names: Iterable[str], renames: Mapping[str, str]) -> dict[str, str]:
    """The names after renames, applied one after another."""
    becoming = _Becoming(names)
    for old, new in renames.items():
        becoming.rename(old, new)
    return becoming.current


class _Becoming:
    """Names under many renames; an index by part gives each rename the few names that it affects."""

    def __init__(self, names: Iterable[str]) -> None:
        self.current = {name: name for name in names}
        self._counts = Counter(self.current.values())
        self._twice = 0
        self._with: dict[str, dict[str, None]] = defaultdict(dict)
        """For each part, the names that have or had it."""
        for name in self.current:
            self._enter(name, name)

    @property
    def are_distinct(self) -> bool:
        return not self._twice

    def rename(self, old: str, new: str) -> None:
        """Replace ``old`` by ``new`` in all names, as ``resdsl.weights.renaming.rename`` does in one."""
        for name in self._candidates(old):
            before = self.current[name]
            after = rename(before, old, new) if old in before else before
            if after != before:
                self.current[name] = after
                self._counts[before] -= 1
                self._twice -= self._counts[before] == 1
                self._counts[after] += 1
                self._twice += self._counts[after] == 2
                self._enter(name, after)

    def _candidates(self, old: str) -> list[str]:
        if not old:
            return list(self.current)
        # In `layer2.17.conv1`, the number is the part with the fewest names.
        holders: list[dict[str, None]] = [self._with.get(part, {}) for part in old.split(".")]
        fewest = min(holders, key=len)
        return list(fewest)

    def _enter(self, name: str, current: str) -> None:
        for part in current.split("."):
            self._with[part][name] = None


def _does(stored: Collection[str], names: Mapping[str, str], wanted: Collection[str], rules: Mapping[str, str]) -> bool:
    """Whether the rules, applied in order, give the wanted names and never the same name to two tensors."""
    becoming = _Becoming(stored)
    for old, new in rules.items():
        becoming.rename(old, new)
        if not becoming.are_distinct:
            return False
    current = becoming.current
    if any(current[before] != after for before, after in names.items()):
        return False
    # An unshared tensor must not get the name of a wanted one.
    return not any(current[name] in wanted for name in stored if name not in names and current[name] != name)


def _by_way_of(stored: Collection[str], names: Mapping[str, str]) -> dict[str, str]:
    """Renames layer by layer, for names that are swapped or are parts of others.

    A rename matches its parts anywhere in a name. Therefore all names get a prefix, which anchors the renames, and
    renamed ones get another prefix, which later renames do not match.
    """
    layers = {before.rpartition(".")[0]: after.rpartition(".")[0] for before, after in names.items()}
    taken = {after for before, after in layers.items() if before != after}
    left_over = dict.fromkeys(name.rpartition(".")[0] for name in stored if name not in names)
    rules = {"": _UNDONE}
    for before, after in layers.items():
        if before != after:
            rules[f"{_UNDONE}.{before}"] = f"{_DONE}.{after}"
    for layer in left_over:
        if layer in taken and layer not in layers:
            rules[f"{_UNDONE}.{layer}"] = f"{_DONE}.dropped.{layer}"
    return {**rules, _UNDONE: "", _DONE: ""}
