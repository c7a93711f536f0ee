"""A review as data for programs."""

from __future__ import annotations

from collections.abc import Sequence

from resdsl.ir.dims import Dim
from resdsl.ir.types import TensorType
from resdsl.review.changes import (
    Change,
    Changed,
    Delta,
    Interface,
    Location,
    Moved,
    Renamed,
    Repeated,
    Rewired,
    Side,
    ValueInfo,
)
from resdsl.review.checkpoint import Verdict
from resdsl.review.review import Review
from resdsl.review.sentences import describe_change, verdict_line, weights_line

SCHEMA = 1
"""Incremented when a field changes its meaning or is removed; fields may be added without it."""


def review_data(review: Review) -> dict[str, object]:
    """The data of ``--json``. Sizes are integers, or strings if they depend on symbols of the input."""
    return {
        "schema": SCHEMA,
        "verdict": verdict_line(review),
        "empty": review.is_empty,
        "architectural": review.is_architectural,
        "old": _side(review.old),
        "new": _side(review.new),
        "difference": _delta(review.delta),
        "forms": list(review.forms),
        "changes": [_change(change) for change in review.changes],
        "weights": _verdict(review.checkpoint, weights_line(review)),
    }


def _side(side: Side) -> dict[str, object]:
    totals = side.totals
    return {
        "name": side.name,
        "source": side.source,
        "parameters": totals.parameters,
        "macs": _dim(totals.macs),
        "activation_bytes": _dim(totals.activation_bytes),
        "depth": totals.depth,
        "receptive_field": totals.receptive_field,
        "outputs": [{"name": name, "shape": _shape(type_)} for name, type_ in totals.outputs],
    }


def _change(change: Change) -> dict[str, object]:
    data: dict[str, object] = {
        "kind": change.kind,
        "text": describe_change(change).headline,
        "what": change.what,
        "places": [_place(place) for place in change.places],
        "silent": change.is_silent,
        "difference": _delta(change.delta),
        "difference_with_consequences": _delta(change.total),
    }
    if isinstance(change, Changed):
        data["fields"] = [{"name": field.name, "old": field.old, "new": field.new} for field in change.fields]
        data["details"] = [_change(detail) for detail in change.details]
    if isinstance(change, Repeated | Interface):
        data |= {"old": change.old, "new": change.new}
    if isinstance(change, Rewired | Moved):
        data |= {"old": list(change.old), "new": list(change.new)}
    if isinstance(change, Renamed):
        data |= {"old": change.old, "new": change.new, "tensors": dict(change.tensors)}
    if change.consequences is not None:
        data["consequences"] = {
            "places": [_place(place) for place in change.consequences.places],
            "reshaped": list(change.consequences.reshaped),
            "difference": _delta(change.consequences.delta),
        }
    return data


def _place(place: Location) -> dict[str, object]:
    return {
        "old": place.old,
        "new": place.new,
        "before": _reading(place.before),
        "after": _reading(place.after),
    }


def _reading(reading: ValueInfo | None) -> dict[str, object] | None:
    if reading is None:
        return None
    return {"shape": _shape(reading.type), "depth": reading.depth, "receptive_field": reading.receptive_field}


def _verdict(verdict: Verdict, line: str) -> dict[str, object]:
    return {
        "text": line,
        "fit": str(verdict.fit),
        "compatible": verdict.is_compatible,
        "kept": list(verdict.kept),
        "missing": list(verdict.missing),
        "unexpected": list(verdict.unexpected),
        "reshaped": [{"name": one.name, "old": one.old, "new": one.new} for one in verdict.reshaped],
        "values": verdict.values,
        "kept_values": verdict.kept_values,
        "renamed_values": verdict.renamed_values,
        "renames": dict(verdict.renames),
        "silent": [describe_change(change).headline for change in verdict.silent],
        "misplaced": dict(verdict.misplaced),
    }


def _delta(delta: Delta) -> dict[str, object]:
    return {
        "parameters": delta.parameters,
        "macs": _dim(delta.macs),
        "activation_bytes": _dim(delta.activation_bytes),
    }


def _shape(type_: TensorType) -> Sequence[object]:
    return [_dim(dim) for dim in type_.shape]


def _dim(dim: Dim) -> int | str:
    return dim if isinstance(dim, int) else str(dim)
