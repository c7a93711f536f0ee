"""Determine whether a checkpoint of the old network loads into the new one with the same meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from resdsl.ir.application import Application
from resdsl.ir.graph import Graph
from resdsl.review.align import Alignment
from resdsl.review.changes import Change, Interface, Renamed
from resdsl.review.renames import find_renames, renamed

Shape = tuple[int, ...]


class Fit(StrEnum):
    """How many tensors of the new network a checkpoint of the old one provides."""

    FULLY = "fully"
    PARTLY = "partly"
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Reshaped:
    """A tensor that has the same name but different shapes in the two networks."""

    name: str
    old: Shape
    new: Shape


@dataclass(frozen=True, slots=True)
class Verdict:
    """Compatibility of the tensors. ``kept`` load unchanged, ``missing`` are only in the new network, ``unexpected``
    only in the old one, and ``reshaped`` do not load.

    ``values`` is the number of elements of the new network, ``kept_values`` the number that the checkpoint provides,
    and ``renamed_values`` the number that it provides after ``renames``, applied in order as by ``compile --rename``.
    ``silent`` are the changes that loading does not reveal. ``misplaced`` maps names of tensors that load into another
    layer than the one they were trained for to the old name of that layer's tensor.
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
        """The fraction of the new network's values that the checkpoint provides; 1 for a network without tensors."""
        return self.kept_values / self.values if self.values else 1.0

    @property
    def renamed_share(self) -> float:
        return self.renamed_values / self.values if self.values else 1.0

    @property
    def is_compatible(self) -> bool:
        """Whether the old weights load completely and compute the same."""
        return self.fit is Fit.FULLY and not self.silent and not self.misplaced


def judge(old: Graph, new: Graph, alignment: Alignment | None, changes: Sequence[Change]) -> Verdict:
    """The verdict on checkpoints of ``old``. ``alignment`` is ``None`` if both networks are the same."""
    stored = {name: parameter.shape for name, parameter in old.parameters.items()}
    # Heads that only training needs are no part of a compiled model: old weights load with and without them.
    needed = {name: parameter for name, parameter in new.parameters.items() if parameter.node not in new.aux_nodes}
    wanted = {name: parameter.shape for name, parameter in needed.items()}
    shared = [name for name in wanted if name in stored]
    kept = [name for name in shared if loads(stored[name], wanted[name])]
    missing = [name for name in wanted if name not in stored]
    heads = tuple(f"{head.path}." for head in new.aux_heads)
    unexpected = [name for name in stored if name not in wanted and not name.startswith(heads)]
    reshaped = [Reshaped(name, stored[name], wanted[name]) for name in shared if not loads(stored[name], wanted[name])]
    pairs = _tensor_pairs(old, new, alignment) if alignment is not None else {}
    names = {before: after for before, after in pairs.items() if after in wanted}
    origin = {after: before for before, after in names.items()}
    misplaced = {name: origin[name] for name in kept if origin.get(name, name) != name}
    renames = find_renames(stored, wanted, names, [change for change in changes if isinstance(change, Renamed)])
    counts = {name: parameter.count for name, parameter in needed.items()}
    loaded = {after for before, after in renamed(stored, renames).items() if loads(stored[before], wanted.get(after))}
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
    """Whether a tensor of shape ``stored`` loads as one of shape ``wanted``.

    Trailing axes of size 1 do not matter: a 1x1 convolution and a linear layer have the same values in order.
    """
    return stored == wanted or (wanted is not None and _without_ones(stored) == _without_ones(wanted))


def renames_text(verdict: Verdict) -> str:
    """The renames as a file for ``resdsl compile --rename @FILE``: one ``OLD=NEW`` per line, applied in order."""
    return "".join(f"{old}={new}\n" for old, new in verdict.renames.items())


def _is_preprocessing(change: Change) -> bool:
    return isinstance(change, Interface) and change.what == "preprocess"


def _without_ones(shape: Shape) -> Shape:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _tensor_pairs(old: Graph, new: Graph, alignment: Alignment) -> dict[str, str]:
    """The new names of the old tensors that the new network has too, in a compatible shape."""
    names: dict[str, str] = {}
    known: dict[tuple[Application, Application], list[str]] = {}
    for before, after in alignment.pairs.items():
        pair = old.applications[before], new.applications[after]
        if pair not in known:
            shapes = {spec.name: spec.shape for spec in pair[1].parameters}
            known[pair] = [spec.name for spec in pair[0].parameters if loads(spec.shape, shapes.get(spec.name))]
        for name in known[pair]:
            names[f"{old.nodes[before].path}.{name}"] = f"{new.nodes[after].path}.{name}"
    return names
