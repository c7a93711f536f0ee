"""Does a checkpoint of the old network load into the new one, and does it still mean the same there?"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from resdsl.ir.application import Application
from resdsl.ir.graph import Graph
from resdsl.review.align import Alignment
from resdsl.review.changes import Change, Interface, Renamed
from resdsl.weights.renaming import rename

Shape = tuple[int, ...]


_UNDONE, _DONE = "_old_", "_new_"
"""First parts of names that no layer has."""


class Fit(StrEnum):
    """How much of the new network a checkpoint of the old one fills."""

    FULLY = "fully"
    PARTLY = "partly"
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Reshaped:
    """A tensor that both networks have under one name, in two shapes."""

    name: str
    old: Shape
    new: Shape


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the tensors. ``kept`` load as they are, ``missing`` are only in the new network, ``unexpected``
    only in the old one, ``reshaped`` do not load.

    ``values`` are the elements of the new network, ``kept_values`` those that the checkpoint gives, and
    ``renamed_values`` those that it gives once ``renames`` are applied, in order, as ``compile --rename`` does.
    ``silent`` are the changes that loading does not notice. ``misplaced`` are tensors that load, by their name, into
    a layer that stands where another one did: the old network's name for that layer's tensor, by the new one.
    """

    fit: Fit
    kept: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[Reshaped, ...]
    values: int
    kept_values: int
    renamed_values: int
    renames: Mapping[str, str] = field(default_factory=dict)
    silent: tuple[Change, ...] = ()
    misplaced: Mapping[str, str] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """The part of the new network's values that the checkpoint gives, 0 to 1; 1 for a network without any."""
        return self.kept_values / self.values if self.values else 1.0

    @property
    def renamed_share(self) -> float:
        return self.renamed_values / self.values if self.values else 1.0

    @property
    def is_compatible(self) -> bool:
        """Whether the old weights load whole and compute what they did."""
        return self.fit is Fit.FULLY and not self.silent and not self.misplaced


def judge(old: Graph, new: Graph, alignment: Alignment | None, changes: Sequence[Change]) -> Verdict:
    """The verdict on checkpoints of ``old``; ``alignment`` is ``None`` for one network written in two ways."""
    stored = {name: parameter.shape for name, parameter in old.parameters.items()}
    wanted = {name: parameter.shape for name, parameter in new.parameters.items()}
    shared = [name for name in wanted if name in stored]
    kept = [name for name in shared if loads(stored[name], wanted[name])]
    missing = [name for name in wanted if name not in stored]
    unexpected = [name for name in stored if name not in wanted]
    reshaped = [Reshaped(name, stored[name], wanted[name]) for name in shared if not loads(stored[name], wanted[name])]
    names = _tensor_pairs(old, new, alignment) if alignment is not None else {}
    origin = {after: before for before, after in names.items()}
    misplaced = {name: origin[name] for name in kept if origin.get(name, name) != name}
    renames = _renames(stored, wanted, names, [change for change in changes if isinstance(change, Renamed)])
    counts = {name: parameter.count for name, parameter in new.parameters.items()}
    loaded = {after for before, after in _apply(stored, renames).items() if loads(stored[before], wanted.get(after))}
    fits = not missing and not unexpected and not reshaped
    partly = Fit.PARTLY if kept else Fit.NOT
    return Verdict(
        fit=Fit.FULLY if fits else partly,
        kept=tuple(kept),
        missing=tuple(missing),
        unexpected=tuple(unexpected),
        reshaped=tuple(reshaped),
        values=sum(counts.values()),
        kept_values=sum(counts[name] for name in kept),
        renamed_values=sum(counts[name] for name in loaded),
        renames=renames,
        silent=tuple(change for change in changes if change.is_silent or _is_preprocessing(change)) if kept else (),
        misplaced=misplaced,
    )


def loads(stored: Shape, wanted: Shape | None) -> bool:
    """Whether a tensor loads where one of the shape ``wanted`` is asked for.

    Axes of size 1 at the end do not matter: a 1x1 convolution and a linear layer hold the same numbers in order.
    """
    return stored == wanted or (wanted is not None and _without_ones(stored) == _without_ones(wanted))


def renames_text(verdict: Verdict) -> str:
    """The renames as a file for ``resdsl compile --rename @FILE``: one ``OLD=NEW`` a line, to be applied in order."""
    return "".join(f"{old}={new}\n" for old, new in verdict.renames.items())


def _is_preprocessing(change: Change) -> bool:
    return isinstance(change, Interface) and change.what == "preprocess"


def _without_ones(shape: Shape) -> Shape:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _tensor_pairs(old: Graph, new: Graph, alignment: Alignment) -> dict[str, str]:
    """The new name of each tensor of the old network that the new one has too, in a shape that loads."""
    found: dict[str, str] = {}
    known: dict[tuple[Application, Application], list[str]] = {}
    for before, after in alignment.pairs.items():
        pair = old.applications[before], new.applications[after]
        if pair not in known:
            shapes = {spec.name: spec.shape for spec in pair[1].parameters}
            known[pair] = [spec.name for spec in pair[0].parameters if loads(spec.shape, shapes.get(spec.name))]
        for name in known[pair]:
            found[f"{old.nodes[before].path}.{name}"] = f"{new.nodes[after].path}.{name}"
    return found


def _apply(names: Iterable[str], renames: Mapping[str, str]) -> dict[str, str]:
    """What names become by renames, one after another."""
    current = {name: name for name in names}
    for old, new in renames.items():
        current = _step(current, old, new)
    return current


def _step(current: Mapping[str, str], old: str, new: str) -> dict[str, str]:
    # Looking is cheaper than replacing, and most names stay as they are.
    return {name: rename(to, old, new) if old in to else to for name, to in current.items()}


def _renames(
    stored: Mapping[str, Shape], new_names: Collection[str], names: Mapping[str, str], changes: Sequence[Renamed]
) -> dict[str, str]:
    """Renames that bring all tensors to their new names and no other tensor to any: the shortest that do."""
    if all(before == after for before, after in names.items()):
        return {}
    short = {change.old: change.new for change in changes}
    heads = {place.old: place.new for change in changes for place in change.places if place.old and place.new}
    before, after = min(names.items(), key=lambda pair: len(pair[0]))
    prefix = {"": after.removesuffix(f".{before}")} if after.endswith(f".{before}") else {}
    for rules in (short, heads, dict(reversed(heads.items())), prefix):
        if rules and _does(stored, names, new_names, rules):
            return rules
    return _by_way_of(stored, names)


def _does(
    stored: Mapping[str, Shape], names: Mapping[str, str], wanted: Collection[str], rules: Mapping[str, str]
) -> bool:
    """Whether rules, one after another, give the wanted names and never two tensors the same."""
    current = {name: name for name in stored}
    for old, new in rules.items():
        current = _step(current, old, new)
        if len(set(current.values())) < len(current):
            return False
    if any(current[before] != after for before, after in names.items()):
        return False
    # What is left over must not be taken for a tensor that it is not.
    return not any(current[name] in wanted for name in stored if name not in names and current[name] != name)


def _by_way_of(stored: Mapping[str, Shape], names: Mapping[str, str]) -> dict[str, str]:
    """Renames layer by layer, for names that change places or are a part of others.

    A rename finds its parts anywhere in a name. So all names get a first part, which is what anchors the renames, and
    what is done gets another one until nothing can be met any more.
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
