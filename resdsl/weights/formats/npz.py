"""NumPy's archive of arrays: a zip of ``.npy`` files, compressed or not. Pickled objects in it are never loaded."""

from __future__ import annotations

import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from resdsl.diagnostics import catalogue
from resdsl.weights.checkpoint import Checkpoint, CheckpointError, TensorInfo, check_shape
from resdsl.weights.elements import as_weights, stored_dtype

MAX_TENSORS = 100_000
"""Arrays in one archive; each has a header to be read when it is opened."""

_BROKEN = (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, OSError, EOFError, struct.error)
# A head is a literal of Python's: its tokenizer, parser and evaluator each fail in ways of their own.
_BROKEN_HEAD = (SyntaxError, TypeError, RecursionError, MemoryError, tokenize.TokenError)
_BROKEN_MEMBER = (*_BROKEN, *_BROKEN_HEAD, zlib.error, RuntimeError, KeyError)


class _Head(NamedTuple):
    """What an array says of itself: its axes, whether in Fortran's order, its elements, and the bytes all that took."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    length: int


class NpzCheckpoint(Checkpoint):
    """An ``.npz`` file; an array is decompressed when it is read.

    An array whose header claims another size than the archive's directory is refused before any memory is taken for
    it, so a small file cannot make a large array that nobody asked for by its true shape.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.metadata = {}
        try:
            self._archive = zipfile.ZipFile(path)
        except _BROKEN as error:
            raise CheckpointError.damaged(self.name, "its zip directory, at the end, cannot be read") from error
        self._heads: dict[str, _Head] = {}
        try:
            self.tensors = self._list()
        except BaseException:
            self.close()
            raise

    def _list(self) -> dict[str, TensorInfo]:
        members = [member for member in self._archive.infolist() if member.filename.endswith(".npy")]
        if len(members) > MAX_TENSORS:
            raise CheckpointError.of(
                catalogue.CHECKPOINT_TOO_LARGE,
                f"`{self.name}` has {len(members):,} arrays in it; {MAX_TENSORS:,} is the limit",
                helps=("save the weights of one network in a file of its own",),
            )
        found: dict[str, TensorInfo] = {}
        for member in members:
            key = member.filename.removesuffix(".npy")
            if key in found:
                raise CheckpointError.damaged(self.name, f"it has two arrays `{key:.80}`")
            found[key] = self._head(key, member)
        return found

    def _head(self, key: str, member: zipfile.ZipInfo) -> TensorInfo:
        try:
            with self._archive.open(member) as file:
                head = _read_head(file)
        except _BROKEN_MEMBER as error:
            raise CheckpointError.damaged(self.name, f"the head of the array `{key:.80}` cannot be read") from error
        shape, dtype = head.shape, head.dtype
        check_shape(shape, name=self.name, key=key)
        if not dtype.hasobject and head.length + prod(shape) * dtype.itemsize != member.file_size:
            raise CheckpointError.damaged(
                self.name,
                f"the array `{key:.80}` claims the shape {list(shape)} of {dtype} and has {member.file_size:,} bytes",
            )
        self._heads[key] = head
        # Endianness is told apart in reading; `V2` and the like are names of types that NumPy does not know.
        return TensorInfo(shape, dtype.name if dtype.fields is None else "record")

    def read(self, key: str) -> np.ndarray:
        info, head = self.tensors[key], self._heads[key]
        # All at once; of an empty array there is nothing, and its checksum is verified all the same.
        whole = list(self._stored(key, max(1, info.count)))
        flat = whole[0] if whole else np.empty(0, head.dtype)
        return as_weights(flat.reshape(info.shape, order="F" if head.fortran else "C"), info.dtype)

    def pieces(self, key: str, count: int) -> Iterator[np.ndarray]:
        if self._heads[key].fortran:
            yield from super().pieces(key, count)
            return
        for stored in self._stored(key, count):
            yield as_weights(stored, self.tensors[key].dtype)

    def _stored(self, key: str, count: int) -> Iterator[np.ndarray]:
        """The elements as they lie in the file, ``count`` at a time."""
        info, head = self.tensors[key], self._heads[key]
        size = stored_dtype(info, name=self.name, key=key).itemsize
        try:
            # One at a time behind a lock: zipfile shares the file between those that read.
            with self._archive.open(f"{key}.npy") as file:
                file.read(head.length)
                for done in range(0, info.count, count):
                    here = min(count, info.count - done)
                    data = file.read(here * size)
                    if len(data) != here * size:
                        raise CheckpointError.damaged(self.name, f"the array `{key:.80}` ends early")
                    yield np.frombuffer(data, head.dtype)
                file.read()  # to the end, where the checksum is verified
        except _BROKEN_MEMBER as error:
            raise CheckpointError.damaged(self.name, f"the array `{key:.80}` cannot be read: {error!s:.80}") from error

    def close(self) -> None:
        self._archive.close()


def _read_head(file: IO[bytes]) -> _Head:
    """What stands before the elements; the file then stands at them."""
    version = np.lib.format.read_magic(file)
    if version not in _READERS:
        raise ValueError(f"version {version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of heads as Python 2 wrote them, which are read all the same
        shape, fortran, dtype = _READERS[version](file)
    return _Head(shape, fortran, dtype, file.tell())


_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
