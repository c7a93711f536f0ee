"""The tensors of a PyTorch checkpoint, given the locations of its storages in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from resdsl.diagnostics import catalogue
from resdsl.untrusted import printable
from resdsl.weights.checkpoint import Checkpoint, CheckpointError, TensorInfo, check_shape, is_plain
from resdsl.weights.dtypes import as_weights, stored_dtype
from resdsl.weights.formats.torch_objects import ITEM_SIZES, StoredTensor
from resdsl.weights.tensor_file import ByteRange, TensorFile

WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network", "module", "ema", "state_dict_ema", "model_ema")
"""Keys under which training scripts save the weights, in order of preference."""

_DEPTH = 4
_REPEATS = 1 << 20


class StorageLocation(NamedTuple):
    """The bytes of a storage in the file."""

    start: int
    length: int


class TorchCheckpoint(Checkpoint):
    """A PyTorch file. Tensors are read on demand."""

    def __init__(
        self,
        path: Path,
        file: TensorFile,
        content: object,
        locations: Mapping[str, StorageLocation],
        *,
        big_endian: bool,
    ) -> None:
        super().__init__(path)
        self._file = file
        self._locations = locations
        self._big_endian = big_endian
        self.metadata = {}
        self.wrapper, self._stored = _find_tensors(content, self.name)
        self.tensors = {key: self._checked(key, tensor) for key, tensor in self._stored.items()}

    def read(self, key: str) -> np.ndarray:
        info, tensor = self.tensors[key], self._stored[key]
        dtype = self._dtype(key)
        flat = self._byte_range(key, dtype).whole(dtype)
        # The strides were checked when the file was opened; those of axes of size 1 and of empty tensors are
        # arbitrary and unused.
        strides = [
            stride * dtype.itemsize if size > 1 and info.count else dtype.itemsize
            for size, stride in zip(info.shape, tensor.strides, strict=True)
        ]
        view = np.lib.stride_tricks.as_strided(flat, info.shape, strides)
        return as_weights(view, info.dtype)

    def windows(self, key: str, size: int) -> Iterator[memoryview] | None:
        plain = is_plain(self.tensors[key], big_endian=self._big_endian) and _is_dense(self._stored[key])
        return self._byte_range(key, self._dtype(key)).windows(size) if plain else None

    def pieces(self, key: str, count: int) -> Iterator[np.ndarray]:
        dtype = self._dtype(key)
        if not _is_dense(self._stored[key]):
            return super().pieces(key, count)
        stored = self._byte_range(key, dtype).arrays(dtype, count)
        return (as_weights(piece, self.tensors[key].dtype) for piece in stored)

    def _dtype(self, key: str) -> np.dtype:
        return stored_dtype(self.tensors[key], name=self.name, key=key, big_endian=self._big_endian)

    def _byte_range(self, key: str, dtype: np.dtype) -> ByteRange:
        """The bytes from the first element to the last, including any gaps."""
        tensor = self._stored[key]
        length = _reach(tensor) * dtype.itemsize
        if not length:
            return ByteRange(self._file, 0, 0)  # an empty tensor needs no storage
        start = self._locations[tensor.storage.key].start + (tensor.storage.base + tensor.offset) * dtype.itemsize
        return ByteRange(self._file, start, length)

    def close(self) -> None:
        self._file.close()

    def _checked(self, key: str, tensor: StoredTensor) -> TensorInfo:
        """Shape and type of the tensor, after checking that reading it stays inside its storage."""
        count = check_shape(tensor.shape, name=self.name, key=key)
        info = TensorInfo(tensor.shape, tensor.dtype)
        size = ITEM_SIZES.get(tensor.dtype)
        if size is None:
            return info  # cannot be read
        storage = tensor.storage
        if len(tensor.strides) != len(tensor.shape) or min((tensor.offset, *tensor.strides)) < 0:
            raise CheckpointError.damaged(self.name, f"`{key}` has impossible strides")
        available = storage.count // (size if storage.dtype == "untyped" else 1)
        if tensor.offset + _reach(tensor) > available:
            raise CheckpointError.damaged(
                self.name,
                f"`{key}` reaches to element {tensor.offset + _reach(tensor):,} of a storage of {available:,}",
            )
        if count > max(available, _REPEATS):
            raise CheckpointError.of(
                catalogue.CHECKPOINT_TOO_LARGE,
                f"`{key}` in `{self.name}` repeats {available:,} stored elements to make {count:,}",
                helps=("save a copy of the tensor, not an expanded view: `tensor.contiguous().clone()`",),
            )
        location = self._locations.get(storage.key)
        needed = (storage.base + tensor.offset + _reach(tensor)) * size
        if count and (location is None or needed > location.length):
            raise CheckpointError.damaged(
                self.name,
                f"`{key}` needs {needed:,} bytes of storage `{printable(storage.key, most=40)}`, and"
                f" {f'{location.length:,} are present' if location else 'the file lacks it'}",
            )
        return info


def _reach(tensor: StoredTensor) -> int:
    """The number of elements from the tensor's first to its last, both included."""
    if 0 in tensor.shape:
        return 0
    return 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.strides, strict=False))


def _is_dense(tensor: StoredTensor) -> bool:
    """Whether the elements are in C order without gaps."""
    expected = 1
    for size, stride in zip(reversed(tensor.shape), reversed(tensor.strides), strict=True):
        if size == 0 or (size > 1 and stride != expected):
            return False
        expected *= size
    return True


def _find_tensors(content: object, name: str) -> tuple[str, dict[str, StoredTensor]]:
    """The key of the weights in a checkpoint (empty for the top level), and the weights."""
    if not isinstance(content, dict):
        raise CheckpointError.of(
            catalogue.NOT_A_CHECKPOINT,
            f"`{name}` holds {_kind(content)}, not a dictionary of named tensors",
            helps=("save the state dict: `torch.save(model.state_dict(), ...)`",),
        )
    result = _search(content, (), _DEPTH)
    if result is None:
        keys = ", ".join(f"`{key!s:.40}`" for key in list(content)[:8])
        raise CheckpointError.of(
            catalogue.NOT_A_CHECKPOINT,
            f"`{name}` holds no dictionary of named tensors, only {keys}"
            if keys
            else f"`{name}` holds no named tensors",
            helps=("save the state dict: `torch.save(model.state_dict(), ...)`",),
        )
    return result


def _search(
    content: dict[object, object], path: tuple[str, ...], depth: int
) -> tuple[str, dict[str, StoredTensor]] | None:
    inner = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, dict)}
    if depth:
        for key in WRAPPERS:
            if key in inner and (result := _search(inner[key], (*path, key), depth - 1)):
                return result
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, StoredTensor)}
    if tensors:
        return ".".join(path), tensors
    # A wrapper with an unknown name is unambiguous if it is the only key.
    if depth and len(inner) == 1:
        ((key, only),) = inner.items()
        return _search(only, (*path, f"{key:.40}"), depth - 1)
    return None


def _kind(content: object) -> str:
    if isinstance(content, StoredTensor):
        return "a single tensor"
    if isinstance(content, list | tuple):
        return "a list"
    return "a single value"
