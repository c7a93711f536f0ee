"""safetensors: a JSON header of names, types and offsets, then the bytes. One file, or an index of shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from resdsl.diagnostics import catalogue
from resdsl.untrusted import parse_json
from resdsl.weights.checkpoint import Checkpoint, CheckpointError, is_plain, neighbour
from resdsl.weights.formats.safetensors_header import LONGEST, Header, read_header
from resdsl.weights.tensor_file import ByteRange, TensorFile

if TYPE_CHECKING:
    import numpy as np

INDEX_LIMIT = 64 << 20
"""Bytes of the index of a sharded checkpoint; the largest published models have 0.5 MB."""


class SafetensorsCheckpoint(Checkpoint):
    """One ``.safetensors`` file. Tensors are read on demand."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._file = TensorFile(path)
        try:
            header = self._header()
        except BaseException:
            self.close()
            raise
        self.metadata = header.metadata
        self.tensors = {key: entry.info for key, entry in header.entries.items()}
        self._entries = header.entries

    def _header(self) -> Header:
        with self._file.map() as mapped:
            length, size = int.from_bytes(mapped[:8], "little"), len(mapped)
            if not 0 < length <= min(size - 8, LONGEST):
                raise CheckpointError.damaged(self.name, f"its header should have {length:,} bytes")
            return read_header(mapped[8 : 8 + length], size=size, name=self.name)

    def read(self, key: str) -> np.ndarray:
        from resdsl.weights import dtypes  # copying float32 needs no NumPy

        info = self.tensors[key]
        stored = self._byte_range(key).whole(dtypes.stored_dtype(info, name=self.name, key=key))
        return dtypes.as_weights(stored.reshape(info.shape), info.dtype)

    def windows(self, key: str, size: int) -> Iterator[memoryview] | None:
        return self._byte_range(key).windows(size) if is_plain(self.tensors[key]) else None

    def pieces(self, key: str, count: int) -> Iterator[np.ndarray]:
        from resdsl.weights import dtypes

        info = self.tensors[key]
        dtype = dtypes.stored_dtype(info, name=self.name, key=key)
        for stored in self._byte_range(key).arrays(dtype, count):
            yield dtypes.as_weights(stored, info.dtype)

    def _byte_range(self, key: str) -> ByteRange:
        entry = self._entries[key]
        return ByteRange(self._file, entry.start, entry.end - entry.start)

    def close(self) -> None:
        self._file.close()


class ShardedCheckpoint(Checkpoint):
    """An index (``model.safetensors.index.json``) and the files that it lists, as one checkpoint."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        names = read_index(path)
        self._shards: dict[str, SafetensorsCheckpoint] = {}
        try:
            for file in sorted(set(names.values())):
                # A link may point outside the folder: only a valid safetensors file is read through it.
                self._shards[file] = SafetensorsCheckpoint(neighbour(path.parent, file, name=self.name, links=True))
            for key, file in names.items():
                if key not in self._shards[file].tensors:
                    raise CheckpointError.damaged(self.name, f"its index has `{key:.80}` in `{file}`, which lacks it")
        except BaseException:
            self.close()
            raise
        self._files = names
        self.tensors = {key: self._shards[file].tensors[key] for key, file in names.items()}
        self.metadata = {key: text for shard in self._shards.values() for key, text in shard.metadata.items()}

    def read(self, key: str) -> np.ndarray:
        return self._shards[self._files[key]].read(key)

    def windows(self, key: str, size: int) -> Iterator[memoryview] | None:
        return self._shards[self._files[key]].windows(key, size)

    def pieces(self, key: str, count: int) -> Iterator[np.ndarray]:
        return self._shards[self._files[key]].pieces(key, count)

    def close(self) -> None:
        for shard in self._shards.values():
            shard.close()


def read_index(path: Path) -> Mapping[str, str]:
    """The file of each tensor in an index of shards. Raises ``CheckpointError``."""
    if path.stat().st_size > INDEX_LIMIT:
        raise CheckpointError.of(
            catalogue.CHECKPOINT_TOO_LARGE,
            f"`{path.name}` looks like the index of a sharded checkpoint and is larger than {INDEX_LIMIT >> 20} MB",
            helps=("pass the `.safetensors.index.json` file itself",),
        )
    try:
        index = parse_json(path.read_bytes())
    except ValueError as error:
        raise CheckpointError.of(
            catalogue.NOT_A_CHECKPOINT,
            f"`{path.name}` is neither a file of weights nor JSON: {error!s:.120}",
            helps=("pass a `.safetensors`, `.pth`, `.npz` or `.onnx` file",),
        ) from error
    names = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(names, dict) or not names or not all(isinstance(file, str) for file in names.values()):
        raise CheckpointError.of(
            catalogue.NOT_A_CHECKPOINT,
            f"`{path.name}` is JSON without a `weight_map` from tensors to files",
            helps=("pass the `.safetensors.index.json` file, or a `.safetensors`, `.pth`, `.npz` or `.onnx` file",),
        )
    return names
