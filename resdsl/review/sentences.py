"""The sentences of a review, which all output formats share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never, cast

from resdsl.analysis import quantities
from resdsl.review import figures
from resdsl.review.changes import (
    Added,
    Change,
    Changed,
    Follows,
    Interface,
    Location,
    Moved,
    Removed,
    Renamed,
    Repeated,
    Rewired,
    Totals,
)
from resdsl.review.checkpoint import Fit, Verdict
from resdsl.review.review import Review
from resdsl.review.wording import common_end, folded_names, inside, paths
from resdsl.untrusted import printable

Known = Added | Removed | Changed | Renamed | Moved | Repeated | Rewired | Interface

Note = tuple[str, ...]
"""A sentence in parts, of which every second one is code."""

NOTHING = "no architectural change"
SILENT = "same tensors, different computation"


@dataclass(frozen=True, slots=True)
class ChangeText:
    """One change in words: sign, headline, locations, details inside blocks, consequences and cost."""

    sign: str
    headline: str
    where: str
    details: tuple[tuple[str, str], ...]
    follows: str
    cost: str
    is_silent: bool


@dataclass(frozen=True, slots=True)
class TotalsRow:
    """A row of the table of totals."""

    name: str
    old: str
    new: str
    difference: str

    @property
    def changed(self) -> bool:
        return self.difference != "same"


def describe_change(change: Change, old: Totals | None = None) -> ChangeText:
    """A change in words, with costs in percent of the ``old`` totals if these are given."""
    costs = (figures.cost(change.total, old), figures.reach(change.places))
    details: list[tuple[str, str]] = []
    if isinstance(change, Changed):
        for detail in change.details:
            cost = figures.cost(detail.delta)
            text = _named(common_end(_inside(detail.places, change.places)), _sentence(detail))
            count = f", {len(detail.places)} times" if len(detail.places) not in (1, len(change.places)) else ""
            details.append((detail.sign, f"{text}{count}{f' ({cost})' if cost else ''}"))
        if not change.details and change.what != "input":
            details += _output(change)
    return ChangeText(
        change.sign,
        _headline(change),
        _where(change),
        tuple(details),
        _follows(change.consequences),
        "; ".join(part for part in costs if part),
        change.is_silent,
    )


def totals_table(review: Review) -> tuple[TotalsRow, ...]:
    """The table of totals."""
    old, new = review.old.totals, review.new.totals
    memory = quantities.size(old.activation_bytes), quantities.size(new.activation_bytes)
    fields = figures.field(old.receptive_field), figures.field(new.receptive_field)
    ends = figures.outputs(old.outputs), figures.outputs(new.outputs)
    depth = "same" if old.depth == new.depth else f"{new.depth - old.depth:+d}"
    return (
        TotalsRow(
            "parameters",
            quantities.exact(old.parameters),
            quantities.exact(new.parameters),
            figures.difference(old.parameters, new.parameters),
        ),
        TotalsRow("MACs", _count(old.macs), _count(new.macs), figures.difference(old.macs, new.macs)),
        TotalsRow(
            "activations",
            memory[0] if len(memory[0]) < 20 else "varies",
            memory[1] if len(memory[1]) < 20 else "varies",
            figures.size_difference(old.activation_bytes, new.activation_bytes),
        ),
        TotalsRow("depth", str(old.depth), str(new.depth), depth),
        TotalsRow("receptive field", *fields, "same" if fields[0] == fields[1] else "changed"),
        TotalsRow("outputs", *ends, "same" if ends[0] == ends[1] else "changed"),
    )


def verdict_line(review: Review) -> str:
    """The summary in one sentence: changes, costs, compatibility of old weights."""
    if review.is_empty:
        return f"the same network, in another form ({count_forms(review)})" if review.forms else NOTHING
    if not review.is_architectural:
        return f"{NOTHING}; {', '.join(change.what for change in review.changes)} changed"
    old, new = review.old.totals, review.new.totals
    costs = [
        f"{name} {figures.percent(before, after) or 'changed'}"
        for name, before, after in (("parameters", old.parameters, new.parameters), ("MACs", old.macs, new.macs))
        if before != after
    ]
    return "; ".join([tally(review.changes), ", ".join(costs) or "same parameters and MACs", weights_line(review)])


def count_forms(review: Review) -> str:
    return figures.count(len(review.forms), "difference")


def tally(changes: Sequence[Change]) -> str:
    """``1 added, 2 changed``."""
    names = {"repeated": "changed", "rewired": "changed", "interface": "changed"}
    kinds = [names.get(change.kind, change.kind) for change in changes]
    order = ("added", "removed", "changed", "moved", "renamed")
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in order if kind in kinds) or "nothing changed"


def weights_line(review: Review) -> str:
    """Whether a checkpoint of the old network loads, in a few words."""
    verdict = review.checkpoint
    if not verdict.values and not verdict.unexpected:
        return "no weights"
    if verdict.fit is Fit.FULLY:
        if verdict.misplaced:
            return "old weights load fully, INTO OTHER LAYERS"
        return f"old weights load fully, BUT {SILENT.upper()}" if verdict.silent else "old weights load fully"
    if verdict.fit is Fit.NOT:
        helped = f", {figures.share(verdict.renamed_share)} after renaming" if verdict.renamed_values else ""
        return f"old weights do not load{helped}"
    if not verdict.missing and not verdict.reshaped:
        line = f"old weights load, {figures.count(len(verdict.unexpected), 'tensor')} unused"
    else:
        line = f"old weights load partly ({figures.share(verdict.share)})"
    return f"{line}; AND {SILENT.upper()}" if verdict.silent or verdict.misplaced else line


def weights_notes(review: Review) -> Iterator[Note]:
    """The details of that line, warnings first."""
    for text in _facts(review):
        yield (text,)
    verdict = review.checkpoint
    if verdict.renames:
        share = figures.share(verdict.renamed_share)
        yield (
            f"with renames {share} of the values load: ",
            "--write-renames FILE",
            " writes the renames for ",
            "resdsl compile --weights --rename @FILE",
        )
    if verdict.fit is Fit.PARTLY:
        yield "", "resdsl compile --partial", " loads the tensors that fit"


def note_text(note: Note) -> str:
    """A note as one text, with code in backticks."""
    return "`".join((*note, "")) if len(note) % 2 == 0 else "`".join(note)


def one_line(text: str) -> str:
    """Text from outside in one line, its control characters made visible."""
    return printable(text, most=10 * len(text))


def _facts(review: Review) -> Iterator[str]:
    verdict = review.checkpoint
    old, new = (review.old.name, review.new.name) if review.old.name != review.new.name else ("old", "new")
    if verdict.silent:
        unnoticed = "; ".join(_short(change) for change in verdict.silent)
        yield f"{SILENT}: loading does not reveal {unnoticed}"
    if verdict.misplaced:
        yield (
            f"{figures.count(len(verdict.misplaced), 'tensor')} would load into other layers than those that they"
            f" were trained for: {_pairs(verdict.misplaced)}"
        )
    total = len(verdict.kept) + len(verdict.missing) + len(verdict.reshaped)
    if verdict.fit is not Fit.FULLY:
        yield (
            f"kept: {len(verdict.kept)} of {figures.count(total, 'tensor')},"
            f" {figures.share(verdict.share)} of the values of {new}"
        )
    yield from _misfits(verdict, old)


def _misfits(verdict: Verdict, old: str) -> Iterator[str]:
    if verdict.missing:
        yield f"not in {old}: {_tensors(verdict.missing)}"
    if verdict.reshaped:
        shown = [f"{one.name} {list(one.old)} -> {list(one.new)}" for one in verdict.reshaped[:2]]
        more = f" and {len(verdict.reshaped) - 2} more" if len(verdict.reshaped) > 2 else ""
        yield f"different shapes: {', '.join(shown)}{more}"
    if verdict.unexpected:
        yield f"only in {old}, not loaded: {_tensors(verdict.unexpected)}"


def _tensors(names: Sequence[str]) -> str:
    return f"{figures.count(len(names), 'tensor')} ({paths(_branches(folded_names(names)), 3)})"


def _branches(layers: Sequence[str]) -> list[str]:
    """Layers grouped by their numbered scope, if they have one: ``layer3.23`` for all layers of that block."""
    branches: dict[str, None] = {}
    for layer in layers:
        parts = layer.split(".")
        # A few layers are named individually; many are grouped by scope.
        whole = len(parts) if len(layers) <= 8 else 2
        end = next((place + 1 for place, part in enumerate(parts[:-1]) if part.isdigit()), whole)
        branches[".".join(parts[:end])] = None
    return list(branches)


def _pairs(origins: Mapping[str, str]) -> str:
    """New layers with the old ones that they correspond to, where the names differ."""
    layers = dict.fromkeys((new.rpartition(".")[0], old.rpartition(".")[0]) for new, old in origins.items())
    shown = [f"{new} was {old}" for new, old in layers]
    return ", ".join(shown[:2]) + (f" and {len(shown) - 2} more layers" if len(shown) > 2 else "")


def _short(change: Change) -> str:
    if isinstance(change, Interface):
        return f"other {change.what}ing"
    article = {"added": "the added ", "removed": "the removed "}.get(change.kind, "")
    return f"{article}{_headline(change)}"


def _headline(change: Change) -> str:
    if isinstance(change, Renamed | Interface):
        return _sentence(change)
    # A replaced operator is named by its old path.
    replaced = isinstance(change, Changed) and not all(field.name for field in change.fields)
    names = [place.old if replaced and place.old is not None else place.path for place in change.places]
    label = names[0] if len(names) == 1 else common_end(names)
    if not label and isinstance(change, Changed) and all(field.name for field in change.fields):
        return f"{change.what}: {', '.join(map(str, change.fields))}"
    return _named(label, _sentence(change))


def _named(label: str, sentence: str) -> str:
    """A sentence with the name of its subject in front, unless it begins with that name."""
    return sentence if not label or re.match(rf"{re.escape(label)}\b", sentence) else f"{label}: {sentence}"


def _inside(places: Sequence[Location], scopes: Sequence[Location]) -> list[str]:
    """The paths of locations relative to the scopes of the change."""
    around = {path for scope in scopes for path in (scope.new, scope.old) if path is not None}
    return [inside(place.path, around) for place in places]


def _sentence(change: Change) -> str:
    known = cast("Known", change)
    match known:
        case Added() | Removed():
            return known.what
        case Changed():
            return _changed(known)
        case Renamed():
            # In a list, the items behind it are renumbered.
            more = " and so on" if len(known.places) > 1 and known.new.rpartition(".")[2].isdigit() else ""
            return f"{known.old} -> {known.new}{more}"
        case Moved():
            (first, *_) = known.places
            if len(known.places) > 1:
                return known.what
            if first.old != first.new:
                return f"{known.what} moves from {first.old} to {first.new}"
            return f"{known.what} moves: it takes {', '.join(known.new)} instead of {', '.join(known.old)}"
        case Repeated():
            return f"{known.old} -> {known.new} x {known.what}"
        case Rewired():
            return f"{known.what} takes {', '.join(known.new)} instead of {', '.join(known.old)}"
        case Interface():
            return f"{known.what}: {known.old} -> {known.new}"
    assert_never(known)


def _changed(change: Changed) -> str:
    named = [str(field) for field in change.fields if field.name]
    whole = [f"{field.old} -> {field.new}" for field in change.fields if not field.name]
    if whole:
        return ", ".join([*whole, *named])
    return f"{change.what} {', '.join(named)}"


def _where(change: Change) -> str:
    if isinstance(change, Interface):
        return ""
    if isinstance(change, Renamed):
        tensors = figures.count(len(change.tensors), "tensor")
        if len(change.places) == 1:
            return tensors
        olds = paths([place.old or "" for place in change.places], 3)
        return f"{tensors} in {figures.count(len(change.places), 'place')}: {olds}"
    if len(change.places) == 1:
        return ""
    return f"in {len(change.places)} places: {paths([place.path for place in change.places])}"


def _output(change: Change) -> list[tuple[str, str]]:
    """The output shapes, if they changed."""
    shapes = dict.fromkeys(
        f"output {place.before.type} -> {place.after.type}"
        for place in change.places
        if place.before is not None and place.after is not None and place.before.type != place.after.type
    )
    return [(" ", ", ".join(list(shapes)[:2]))] if shapes and len(shapes) <= 2 else []


def _follows(consequences: Follows | None) -> str:
    if consequences is None:
        return ""
    layers = figures.count(len(consequences.places), "layer")
    verb = "follows" if len(consequences.places) == 1 else "follow"
    first = consequences.places[0]
    assert first.before is not None and first.after is not None
    same = first.before.type == first.after.type
    example = first.path if same else f"{first.path} {first.before.type} -> {first.after.type}"
    more = ", ..." if len(consequences.places) > 1 else ""
    reshaped = (
        f"; {figures.count(len(consequences.reshaped), 'tensor')} reshaped with them" if consequences.reshaped else ""
    )
    return f"{layers} {verb}: {example}{more}{reshaped}"


def _count(count: object) -> str:
    text = quantities.exact(count) if isinstance(count, int) else str(count)
    return text if len(text) < 20 else "varies"
