"""What a model file states about itself: every key, and how its value is written and read back.

ONNX files and safetensors hold metadata as pairs of strings. Writers use ``Entry.of``, readers ``Entry.find``; any
program may have written an entry, so reading one is bounded and raises ``ValueError`` for another form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from resdsl.ir.preprocess import Preprocess
from resdsl.untrusted import bounded_int, parse_json, printable

PREFIX = "resdsl."

_LONGEST_ENTRY = 64 * 2**20
_LONGEST_LABEL = 1000

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Entry(Generic[Value]):
    """One key, with the functions that turn its value into text and back."""

    key: str
    write: Callable[[Value], str]
    read: Callable[[str], Value]

    def of(self, value: Value) -> dict[str, str]:
        return {self.key: self.write(value)}

    def find(self, metadata: Mapping[str, str]) -> Value | None:
        """The value; ``None`` where there is no such entry. Raises ``ValueError`` if it has another form."""
        if self.key not in metadata:
            return None
        if len(metadata[self.key]) > _LONGEST_ENTRY:
            raise ValueError(f"it has {len(metadata[self.key])} characters")
        return self.read(metadata[self.key])


def own_entries(metadata: Mapping[str, str]) -> dict[str, str]:
    """The entries of ``metadata`` that are resdsl's."""
    return {key: text for key, text in metadata.items() if key.startswith(PREFIX)}


def _write_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _write_sorted(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _read_json(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f"it is not JSON: {printable(str(error), most=200)}") from None


def _read_mapping(text: str) -> dict[str, object]:
    value = _read_json(text)
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def _read_integer(text: str) -> int:
    number = bounded_int(text)
    if number is None:
        raise ValueError("it is not an integer")
    return number


def _read_labels(text: str) -> tuple[str, ...]:
    labels = _read_json(text)
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ValueError("it is not a list of strings")
    longest = max(map(len, labels), default=0)
    if longest > _LONGEST_LABEL:
        raise ValueError(f"a label has {longest} characters")
    return tuple(labels)


def _read_preprocess(text: str) -> Preprocess:
    try:
        return Preprocess.from_data(_read_json(text))
    except (TypeError, OverflowError) as error:
        raise ValueError(printable(str(error), most=200)) from None


def _text(key: str) -> Entry[str]:
    return Entry(PREFIX + key, str, str)


def _mapping(key: str) -> Entry[Mapping[str, object]]:
    return Entry(PREFIX + key, _write_sorted, _read_mapping)


# Of the network.
NAME = _text("name")
PARAMETERS: Entry[int] = Entry(PREFIX + "parameters", str, _read_integer)
"""Trainable parameters of the network as written: folding makes other tensors, not another network."""
MACS = _text("macs")
"""Multiply-accumulates for one image: an integer, or an expression in the symbols of the input's size."""
PREPROCESS: Entry[Preprocess] = Entry(
    PREFIX + "preprocess", lambda value: json.dumps(value.to_data()), _read_preprocess
)
"""What has to be done to an image before it is the input."""
EMBEDDED_PREPROCESS: Entry[Preprocess] = Entry(
    PREFIX + "preprocess.embedded", lambda value: json.dumps(value.to_data()), _read_preprocess
)
"""What the model does to raw images itself; such a model has no ``PREPROCESS``."""
LABELS: Entry[tuple[str, ...]] = Entry(PREFIX + "labels", lambda value: _write_json(list(value)), _read_labels)
VARIANT = _text("variant")
"""Of ResNets whose tensors fit each other: ``v1`` or ``v1.5``."""

# Where the model comes from.
SPECIFICATION = _text("spec")
"""The name of the specification's file, without its folder."""
SPECIFICATION_DIGEST = _text("spec.sha256")
USED = _mapping("used")
"""The digests of the files that the specification uses, by name."""
ARGUMENTS = _mapping("arguments")
"""What the model's parameters were set to."""
OPTIMIZE = _text("optimize")
WEIGHTS = _mapping("weights")
"""``checkpoint``, ``tensors`` and ``from`` of a checkpoint; ``scheme`` and ``seed`` where tensors are random."""

# How it was transformed.
PRECISION = _text("precision")
QUANTIZED = _mapping("quantized")
RUNTIME = _mapping("runtime")
"""The machine that ONNX Runtime optimised the model for; other machines refuse it."""

# Of a node.
PATH = _text("path")
SOURCE = _text("source")
"""Where the text that made the node is: ``net.res:7:3``."""
