"""Write weights to a ``.safetensors`` file: from an ONNX model or any other file of named tensors."""

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
from resdsl.inputs import as_one_run
from resdsl.ir.metadata import own_entries
from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.read import read_weights

if TYPE_CHECKING:
    import numpy as np

_ALIGNMENT = 8
_DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "int32": "I32", "bool": "BOOL"}
_SIZES = {"float64": 8, "float32": 4, "float16": 2, "int64": 8, "int32": 4, "bool": 1}


@dataclass(frozen=True, slots=True)
class Saved:
    """A written file: the number of tensors, of values in all of them, and of bytes."""

    path: Path
    tensors: int
    values: int
    bytes: int


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """Name, shape and type of a tensor to write. ``dtype`` is NumPy's name: ``float32``, ``int64``."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"

    @property
    def bytes(self) -> int:
        return prod(self.shape) * _SIZES[self.dtype]


def save_safetensors(
    path: Path, headers: Sequence[TensorHeader], values: Iterable[np.ndarray], metadata: Mapping[str, str]
) -> Saved:
    """Write tensors one at a time, so that only one is in memory; ``values`` are in the order of ``headers``.

    The file is written whole or not at all. Raises ``OutputError`` if it cannot be written. The safetensors library
    writes only tensors that are all in memory; the format is a header in JSON, then the bytes of the tensors
    (https://huggingface.co/docs/safetensors).
    """
    from resdsl.weights.dtypes import raw_bytes  # compiling imports this module and may need no NumPy

    header = _encode_header(headers, metadata)
    with whole_file(path) as stream:
        stream.write(len(header).to_bytes(8, "little"))
        stream.write(header)
        for tensor, value in zip(headers, values, strict=True):
            if value.shape != tensor.shape or value.dtype.name != tensor.dtype:
                raise ValueError(
                    f"{tensor.name} should be {tensor.dtype}{tensor.shape}, not {value.dtype}{value.shape}"
                )
            stream.write(raw_bytes(value))
    length = sum(tensor.bytes for tensor in headers)
    elements = sum(prod(tensor.shape) for tensor in headers)
    return Saved(path, len(headers), elements, 8 + len(header) + length)


def _encode_header(headers: Sequence[TensorHeader], metadata: Mapping[str, str]) -> bytes:
    content: dict[str, object] = {}
    if metadata:
        content["__metadata__"] = dict(sorted(metadata.items()))
    position = 0
    for tensor in headers:
        content[tensor.name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [position, position + tensor.bytes],
        }
        position += tensor.bytes
    text = json.dumps(content, separators=(",", ":")).encode()
    # Spaces after the header align the tensors to 8 bytes.
    return text + b" " * (-len(text) % _ALIGNMENT)


@as_one_run
def save_weights(source: str | os.PathLike[str], output: str | os.PathLike[str]) -> Saved:
    """The weights of a model, or of any file of weights, as ``.safetensors`` in float32.

    Of an ONNX model these are the initialisers with names of a state dict, not its constants; its ``resdsl.*``
    metadata are copied. Raises ``CheckpointError`` for a file without weights, ``OutputError`` if the result cannot be
    written.
    """
    with read_weights(source) as checkpoint:
        keys = [key for key, info in checkpoint.tensors.items() if info.is_float]
        if not keys:
            raise CheckpointError.of(
                catalogue.NO_WEIGHTS_TO_SAVE,
                f"`{source}` has no floating-point tensors",
                helps=("pass a model that was compiled with its weights",),
            )
        headers = [TensorHeader(key, checkpoint.tensors[key].shape) for key in keys]
        metadata = own_entries(checkpoint.metadata)
        return save_safetensors(Path(output), headers, (checkpoint.read(key) for key in keys), metadata)
