"""The ``resdsl.*`` entries of a model's metadata, validated: any program may have written them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.ir.preprocess import Preprocess
from resdsl.runtime.preprocess import invalid_reason
from resdsl.untrusted import bounded_int, parse_json

_LONGEST_ENTRY = 64 * 2**20
_LONGEST_LABEL = 1000


@dataclass(frozen=True, slots=True)
class Metadata:
    """``None`` for entries that the file does not have: any ONNX file can be run."""

    model: str | None = None
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None


def read_metadata(entries: Mapping[str, str], name: str, *, channels: int = 3) -> Metadata:
    """The ``resdsl.*`` entries of a model's metadata, validated; ``name`` is used in messages.

    ``resdsl.preprocess`` is the JSON of ``Preprocess.to_data``, ``resdsl.labels`` a JSON list of strings. Raises
    ``RunError`` for an entry of another form.
    """
    return Metadata(
        entries.get("resdsl.name"),
        _preprocess(entries, name, channels),
        _labels(entries, name),
    )


def macs_of_image(entries: Mapping[str, str]) -> int | None:
    """The multiply-accumulates for one image that the metadata of a model states."""
    return bounded_int(entries.get("resdsl.macs"))


def _preprocess(entries: Mapping[str, str], name: str, channels: int) -> Preprocess | None:
    key = "resdsl.preprocess"
    if key not in entries:
        return None
    try:
        preprocess = Preprocess.from_data(_json(entries[key], key, name))
    except (ValueError, TypeError, OverflowError) as error:
        raise _invalid(key, name, str(error)) from None
    reason = invalid_reason(preprocess, channels)
    if reason:
        raise _invalid(key, name, reason)
    return preprocess


def _labels(entries: Mapping[str, str], name: str) -> tuple[str, ...] | None:
    key = "resdsl.labels"
    if key not in entries:
        return None
    labels = _json(entries[key], key, name)
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise _invalid(key, name, "it is not a list of strings")
    longest = max(map(len, labels), default=0)
    if longest > _LONGEST_LABEL:
        raise _invalid(key, name, f"a label has {longest} characters")
    return tuple(labels)


def _json(text: str, key: str, name: str) -> Any:
    if len(text) > _LONGEST_ENTRY:
        raise _invalid(key, name, f"it has {len(text)} characters")
    try:
        return parse_json(text)
    except ValueError as error:
        raise _invalid(key, name, f"it is not JSON: {error}") from None


def _invalid(key: str, name: str, reason: str) -> RunError:
    return RunError.of(
        catalogue.METADATA,
        f"the metadata entry `{key}` of `{name}` is invalid: {reason}",
        helps=("compile the model again: resdsl did not write this entry",),
    )
