"""NumPy's archive of arrays: a zip of ``.npy`` files, compressed or not. Pickled objects are never loaded."""

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
from resdsl.untrusted import printable, printable_shape
from resdsl.weights.checkpoint import Checkpoint, CheckpointError, TensorInfo, check_shape
from resdsl.weights.dtypes import as_weights, stored_dtype

MAX_TENSORS = 100_000
"""Arrays in one archive; opening it reads the header of each."""

_PIECE = 1 << 18
"""Elements that are decompressed at once."""

_BROKEN = (zipfile.BadZipFile, NotImplementedError, ValueError, OverflowError, OSError, EOFError, struct.error)
# A header is a Python literal; Python's tokenizer, parser and evaluator raise these for invalid ones.
_BROKEN_HEADER = (SyntaxError, TypeError, RecursionError, MemoryError, tokenize.TokenError)
_BROKEN_MEMBER = (*_BROKEN, *_BROKEN_HEADER, zlib.error, RuntimeError, KeyError)


class _ArrayHeader(NamedTuple):
    """The header of an array: shape, whether in Fortran order, element type, and the length of the header in bytes."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype
    length: int


class NpzCheckpoint(Checkpoint):
    """An ``.npz`` file; an array is decompressed when it is read.

    An array whose header and archive directory disagree about its size is refused before memory is allocated for it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.metadata = {}
        try:
            self._archive = zipfile.ZipFile(path)
        except _BROKEN as error:
            raise CheckpointError.damaged(self.name, "its zip directory, at the end, cannot be read") from error
        self._headers: dict[str, _ArrayHeader] = {}
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
                f"`{self.name}` has {len(members):,} arrays; {MAX_TENSORS:,} is the limit",
                helps=("save the weights of one network in one file",),
            )
        tensors: dict[str, TensorInfo] = {}
        for member in members:
            key = member.filename.removesuffix(".npy")
            if key in tensors:
                raise CheckpointError.damaged(self.name, f"it has two arrays named `{key:.80}`")
            tensors[key] = self._header(key, member)
        return tensors

    def _header(self, key: str, member: zipfile.ZipInfo) -> TensorInfo:
        try:
            with self._archive.open(member) as file:
                header = _read_header(file)
        except _BROKEN_MEMBER as error:
            raise CheckpointError.damaged(self.name, f"the header of the array `{key:.80}` cannot be read") from error
        shape, dtype = header.shape, header.dtype
        check_shape(shape, name=self.name, key=key)
        if not dtype.hasobject and header.length + prod(shape) * dtype.itemsize != member.file_size:
            raise CheckpointError.damaged(
                self.name,
                f"the array `{key:.80}` has the shape {printable_shape(shape)} of {printable(str(dtype))} in"
                f" {member.file_size:,} bytes",
            )
        self._headers[key] = header
        # Reading handles the byte order. `V2` and the like are names of types that NumPy does not know.
        return TensorInfo(shape, dtype.name if dtype.fields is None else "record")

    def read(self, key: str) -> np.ndarray:
        info, header = self.tensors[key], self._headers[key]
        # Not in one piece: zipfile holds what it returns twice.
        flat = np.empty(info.count, header.dtype)
        done = 0
        for piece in self._stored(key, _PIECE):
            flat[done : done + piece.size] = piece
            done += piece.size
        return as_weights(flat.reshape(info.shape, order="F" if header.fortran else "C"), info.dtype)

    def pieces(self, key: str, count: int) -> Iterator[np.ndarray]:
        if self._headers[key].fortran:
            yield from super().pieces(key, count)
            return
        for stored in self._stored(key, count):
            yield as_weights(stored, self.tensors[key].dtype)

    def _stored(self, key: str, count: int) -> Iterator[np.ndarray]:
        """The elements as stored, ``count`` at a time."""
        info, header = self.tensors[key], self._headers[key]
        size = stored_dtype(info, name=self.name, key=key).itemsize
        try:
            # zipfile serialises concurrent readers with a lock.
            with self._archive.open(f"{key}.npy") as file:
                file.read(header.length)
                for done in range(0, info.count, count):
                    here = min(count, info.count - done)
                    data = file.read(here * size)
                    if len(data) != here * size:
                        raise CheckpointError.damaged(self.name, f"the array `{key:.80}` ends early")
                    yield np.frombuffer(data, header.dtype)
                file.read()  # the checksum is verified at the end
        except _BROKEN_MEMBER as error:
            raise CheckpointError.damaged(self.name, f"the array `{key:.80}` cannot be read: {error!s:.80}") from error

    def close(self) -> None:
        self._archive.close()


def _read_header(file: IO[bytes]) -> _ArrayHeader:
    """Read the header; the file is then positioned at the elements."""
    version = np.lib.format.read_magic(file)
    if version not in _READERS:
        raise ValueError(f"version {version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about headers written by Python 2, which are readable
        shape, fortran, dtype = _READERS[version](file)
    return _ArrayHeader(shape, fortran, dtype, file.tell())


_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
