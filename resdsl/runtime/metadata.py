"""The ``resdsl.*`` entries of a model's metadata that a run needs, validated: any program may have written them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.ir import metadata
from resdsl.ir.preprocess import Preprocess
from resdsl.runtime.preprocess import invalid_reason
from resdsl.untrusted import bounded_int

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Metadata:
    """``None`` for entries that the file does not have: any ONNX file can be run."""

    model: str | None = None
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None


def read_metadata(entries: Mapping[str, str], name: str, *, channels: int = 3) -> Metadata:
    """The entries that say how images become the input and what classes are called; ``name`` is used in messages.

    Raises ``RunError`` for an entry of another form than ``resdsl.ir.metadata`` says.
    """
    preprocess = _find(metadata.PREPROCESS, entries, name)
    reason = None if preprocess is None else invalid_reason(preprocess, channels)
    if reason:
        raise _invalid(metadata.PREPROCESS.key, name, reason)
    return Metadata(_find(metadata.NAME, entries, name), preprocess, _find(metadata.LABELS, entries, name))


def macs_of_image(entries: Mapping[str, str]) -> int | None:
    """The multiply-accumulates for one image that the metadata of a model states."""
    return bounded_int(metadata.MACS.find(entries))


def _find(entry: metadata.Entry[Value], entries: Mapping[str, str], name: str) -> Value | None:
    try:
        return entry.find(entries)
    except ValueError as error:
        raise _invalid(entry.key, name, str(error)) from None


def _invalid(key: str, name: str, reason: str) -> RunError:
    return RunError.of(
        catalogue.METADATA,
        f"the metadata entry `{key}` of `{name}` is invalid: {reason}",
        helps=("compile the model again: resdsl did not write this entry",),
    )
