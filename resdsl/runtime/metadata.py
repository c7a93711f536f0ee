"""What a model's file says of itself in ``resdsl.*`` entries. Anybody may have written them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.ir.preprocess import Preprocess
from resdsl.runtime.preprocess import refusal

_LONGEST_ENTRY = 64 * 2**20
_LONGEST_LABEL = 1000


@dataclass(frozen=True, slots=True)
class Metadata:
    """``None`` where the file says nothing: any ONNX file may be run."""

    model: str | None = None
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None


def read_metadata(entries: Mapping[str, str], name: str, *, channels: int = 3) -> Metadata:
    """The ``resdsl.*`` entries of a model's metadata, checked; ``name`` is what messages call the model.

    ``resdsl.name`` is the model's name, ``resdsl.preprocess`` what ``Preprocess.to_data`` makes and
    ``resdsl.labels`` a list of names, both in JSON. Raises ``RunError`` for an entry of another form.
    """
    return Metadata(
        entries.get("resdsl.name"),
        _preprocess(entries, name, channels),
        _labels(entries, name),
    )


def _preprocess(entries: Mapping[str, str], name: str, channels: int) -> Preprocess | None:
    key = "resdsl.preprocess"
    if key not in entries:
        return None
    try:
        preprocess = Preprocess.from_data(_json(entries[key], key, name))
    except (ValueError, TypeError, OverflowError) as error:
        raise _problem(key, name, str(error)) from None
    why_not = refusal(preprocess, channels)
    if why_not:
        raise _problem(key, name, why_not)
    return preprocess


def _labels(entries: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    key = "resdsl.labels"
    if key not in entries:
        return None
    found = _json(entries[key], key, name)
    if not isinstance(found, list) or not all(isinstance(label, str) for label in found):
        raise _problem(key, name, "it is not a list of names")
    longest = max(map(len, found), default=0)
    if longest > _LONGEST_LABEL:
        raise _problem(key, name, f"a name has {longest} characters")
    return tuple(found)


def _json(text: str, key: str, name: str) -> Any:
    if len(text) > _LONGEST_ENTRY:
        raise _problem(key, name, f"it has {len(text)} characters")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else f"it is not JSON: {error}"
        raise _problem(key, name, reason) from None


def _problem(key: str, name: str, reason: str) -> RunError:
    return RunError.of(
        catalogue.METADATA,
        f"the metadata `{key}` of `{name}` cannot be understood: {reason}",
        helps=("compile the model again: resdsl did not write this entry",),
    )
