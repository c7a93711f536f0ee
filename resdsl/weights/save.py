"""Weights to a ``.safetensors`` file: out of an ONNX model, or of anything that has named tensors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from resdsl.diagnostics import catalogue
from resdsl.files import whole_file
from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.source import read_weights

if TYPE_CHECKING:
    import numpy as np

_ALIGNMENT = 8
_DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16"}
_SIZES = {"float64": 8, "float32": 4, "float16": 2}


@dataclass(frozen=True, slots=True)
class Saved:
    """What was written: how many tensors, of how many values together, and the size of the file in bytes."""

    path: Path
    tensors: int
    values: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Head:
    """A tensor before its values are there. ``dtype`` is NumPy's name: ``float32``, ``float16`` or ``float64``."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def bytes(self) -> int:
        return prod(self.shape) * _SIZES[self.dtype]


def save_safetensors(
    path: Path, heads: Sequence[Head], values: Iterable[np.ndarray], metadata: Mapping[str, str]
) -> Saved:
    """Write tensors one at a time, so that only one is in memory; ``values`` come in the order of ``heads``.

    The file appears whole or not at all. Raises ``OutputError`` where it cannot be written. The library that reads
    these files writes only what is in memory as a whole; the format is a header in JSON and the bytes after it
    (https://huggingface.co/docs/safetensors).
    """
    from resdsl.weights.elements import raw_bytes  # compiling, which may do without NumPy, loads this file

    header = _header(heads, metadata)
    with whole_file(path) as stream:
        stream.write(len(header).to_bytes(8, "little"))
        stream.write(header)
        for head, value in zip(heads, values, strict=True):
            if value.shape != head.shape or value.dtype.name != head.dtype:
                raise ValueError(f"{head.name} should be {head.dtype}{head.shape}, not {value.dtype}{value.shape}")
            stream.write(raw_bytes(value))
    length = sum(head.bytes for head in heads)
    elements = sum(prod(head.shape) for head in heads)
    return Saved(path, len(heads), elements, 8 + len(header) + length)


def _header(heads: Sequence[Head], metadata: Mapping[str, str]) -> bytes:
    content: dict[str, object] = {}
    if metadata:
        content["__metadata__"] = dict(sorted(metadata.items()))
    position = 0
    for head in heads:
        content[head.name] = {
            "dtype": _DTYPES[head.dtype],
            "shape": list(head.shape),
            "data_offsets": [position, position + head.bytes],
        }
        position += head.bytes
    text = json.dumps(content, separators=(",", ":")).encode()
    # Blanks after the header put the tensors at a multiple of 8 bytes.
    return text + b" " * (-len(text) % _ALIGNMENT)


def save_weights(source: str | os.PathLike[str], output: str | os.PathLike[str]) -> Saved:
    """The weights of a model, or of any file of weights, as ``.safetensors`` in float32.

    Of an ONNX model these are the initialisers with the names of a state dict, not its constants; what the model says
    of itself (``resdsl.*``) goes along. Raises ``CheckpointError`` for a file without weights, ``OutputError`` where
    the result cannot be written.
    """
    with read_weights(source) as checkpoint:
        keys = [key for key, info in checkpoint.tensors.items() if info.is_float]
        if not keys:
            raise CheckpointError.of(
                catalogue.NO_WEIGHTS_TO_SAVE,
                f"`{source}` has no tensors of floats in it",
                helps=("name a model that was compiled with its weights",),
            )
        heads = [Head(key, checkpoint.tensors[key].shape) for key in keys]
        metadata = {key: text for key, text in checkpoint.metadata.items() if key.startswith("resdsl.")}
        return save_safetensors(Path(output), heads, (checkpoint.read(key) for key in keys), metadata)
