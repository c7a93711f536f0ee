"""The tensors of a network, a model file or a checkpoint, by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path
from typing import Unpack

from resdsl.diagnostics import Source
from resdsl.specification.load import Network, NetworkOptions, load
from resdsl.specification.specification import Specification
from resdsl.weights.read import read_weights

_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".npz", ".onnx")
_ADDRESSES = ("hf:", "https://", "http://")


@dataclass(frozen=True, slots=True)
class Tensor:
    """``dtype`` is NumPy's name for the element type. ``trainable`` is ``None`` where the file does not say."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    trainable: bool | None = None

    @property
    def values(self) -> int:
        return prod(self.shape)


def tensors(source: Network, match: str = "*", **network: Unpack[NetworkOptions]) -> tuple[Tensor, ...]:
    """The tensors whose names match the pattern ``match`` (``layer1.*.weight``), in the order of the source.

    ``source`` is a network as for ``resdsl.load``, with its options, or a file or an address of weights as for
    ``resdsl.read_weights``. No value is read. Raises ``CompileError`` as these do.
    """
    listed = _stored(source) if _is_weights(source) else _parameters(source, network)
    return tuple(tensor for tensor in listed if fnmatchcase(tensor.name, match))


def _is_weights(source: Network) -> bool:
    if isinstance(source, Source | Specification):
        return False
    text = os.fspath(source)
    return text.startswith(_ADDRESSES) or Path(text).suffix.lower() in _WEIGHTS


def _stored(source: Network) -> Iterator[Tensor]:
    assert not isinstance(source, Source | Specification)
    with read_weights(source) as checkpoint:
        for name, info in checkpoint.tensors.items():
            yield Tensor(name, info.shape, info.dtype)


def _parameters(source: Network, options: NetworkOptions) -> Iterator[Tensor]:
    for parameter in load(source, **options).graph.parameters.values():
        yield Tensor(parameter.name, parameter.shape, "float32", parameter.trainable)
