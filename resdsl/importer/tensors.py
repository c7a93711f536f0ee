"""The tensors of an open ONNX file: read when someone asks for their numbers."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from resdsl.diagnostics import CompileError, catalogue
from resdsl.importer.parse import Buffer, NotOnnx, parse_model, without_weights
from resdsl.importer.records import NUMPY, Element, TensorRecord, ValueRecord
from resdsl.importer.source import NetworkSource
from resdsl.inputs import record_input
from resdsl.untrusted import LFS_POINTER, bounded_int, printable

if TYPE_CHECKING:
    import numpy as np

_FORMATS = {"f4": "f", "f8": "d", "i8": "q", "i4": "i", "u1": "B", "i1": "b", "?": "?", "f2": "e"}


class OnnxFile(NetworkSource):
    """An ONNX file: its structure, and ``read`` for the numbers of its tensors, in the file or in one beside it."""

    def __init__(
        self, name: str, data: Buffer, path: Path | None = None, given_shape: tuple[int | str, ...] | None = None
    ) -> None:
        """``path`` is the file of ``data``, beside which tensors may be. Raises ``CompileError`` if it is no model."""
        self.name = name
        self.path = path
        self.given_shape = given_shape
        self._data = data
        try:
            self.model = parse_model(data)
        except NotOnnx as error:
            is_pointer = data[: len(LFS_POINTER)] == LFS_POINTER
            problem = (
                "is a pointer of Git LFS, not the model" if is_pointer else f"cannot be read as an ONNX model: {error}"
            )
            raise CompileError.of(
                catalogue.NOT_A_NETWORK,
                f"`{printable(name)}` {problem}",
                helps=(_pointer_help(name),) if is_pointer else (),
            ) from None
        self.constants = {}

    @classmethod
    def open(cls, path: Path, name: str | None = None, given_shape: tuple[int | str, ...] | None = None) -> OnnxFile:
        """The file ``path``, memory-mapped. Raises ``OSError`` if it cannot be read."""
        record_input(path)
        with path.open("rb") as file:
            empty = not os.fstat(file.fileno()).st_size
            # An empty file cannot be mapped.
            data: Buffer = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return cls(name or path.name, data, path, given_shape)

    @property
    def content(self) -> Buffer:
        """The bytes of the file."""
        return self._data

    def read(self, key: str) -> np.ndarray:
        """The elements of a tensor. Raises ``CompileError`` where the file does not have them."""
        import numpy as np

        record = self.record(key)
        dtype = NUMPY.get(Element(record.element)) if record.element in NUMPY else None
        if dtype is None:
            raise self._missing(key, f"its element type, {record.element}, is not one of weights")
        if record.numbers:
            kind = "i4" if record.element in (Element.FLOAT16, Element.BFLOAT16) else dtype
            flat = np.array(record.numbers, kind)
            if kind != dtype:
                flat = flat.astype("u2").view(dtype)
        elif record.external is not None:
            path, count, offset = self._external(record, np.dtype(dtype).itemsize)
            flat = np.fromfile(path, dtype, count, offset=offset)
        elif record.raw is not None:
            start = record.raw.start
            flat = np.frombuffer(self._data[start : start + record.raw.length], dtype)
        else:
            flat = np.zeros(0, dtype)
        if flat.size != record.count:
            fact = "the file was saved without its numbers" if not flat.size else f"it has {flat.size:,} elements"
            raise self._missing(key, f"{fact}, and its shape takes {record.count:,}")
        if record.element == Element.BFLOAT16:
            flat = (flat.astype("u4") << 16).view("f4")
        return flat.reshape(record.shape)

    def items(self, record: TensorRecord) -> tuple[float, ...] | None:
        """The elements of a small tensor that is in the file itself, as Python numbers; ``None`` for others."""
        if record.numbers:
            return record.numbers if len(record.numbers) == record.count else None
        letter = _FORMATS.get(NUMPY.get(Element(record.element), "") if record.element in NUMPY else "")
        if letter is None or record.raw is None or record.external is not None:
            return () if record.count == 0 else None
        count = prod(record.shape)
        if record.raw.length != count * struct.calcsize(f"<{letter}"):
            return None
        start = record.raw.start
        return struct.unpack(f"<{count}{letter}", self._data[start : start + record.raw.length])

    def has_numbers(self, record: TensorRecord) -> bool:
        """Whether the file has (or says where to find) the elements of this tensor."""
        return bool(record.raw or record.numbers or record.external is not None or record.count == 0)

    def without_weights(self, largest: int, inputs: Mapping[str, ValueRecord]) -> bytes:
        """The file without the numbers of initializers of more than ``largest`` bytes, and with other inputs."""
        return without_weights(self._data, largest, inputs)

    def files_beside(self) -> tuple[Path, ...]:
        """The files that hold tensors of this one. Raises ``CompileError`` for one that is not beside it."""
        records = self.model.tensors.values()
        return tuple(sorted({self._beside(record) for record in records if record.external is not None}))

    def _beside(self, record: TensorRecord) -> Path:
        """The file beside this one that holds a tensor."""
        location = (record.external or {}).get("location", "")
        if self.path is None:
            raise self._missing(record.name, f"it is in another file, `{printable(location)}`")
        folder = self.path.parent.resolve()
        path = folder / location
        # A model must not make any other file of the machine its weights.
        if (
            not location
            or len(location) > 1000
            or "\0" in location
            or Path(location).is_absolute()
            or ".." in Path(location).parts
            or path.resolve().parent.parts[: len(folder.parts)] != folder.parts
            or path.is_symlink()
        ):
            raise self._missing(record.name, f"it is said to be in `{printable(location)}`, outside the model's folder")
        if not path.is_file():
            raise self._missing(record.name, f"it is in `{printable(location)}`, which does not exist")
        record_input(path)
        return path

    def _external(self, record: TensorRecord, size: int) -> tuple[Path, int, int]:
        entries = record.external or {}
        path = self._beside(record)
        offset = bounded_int(entries.get("offset", "0"))
        length = bounded_int(entries.get("length", str(record.count * size)))
        if offset is None or length != record.count * size or offset + length > path.stat().st_size:
            raise self._missing(record.name, f"`{printable(path.name)}` does not have its bytes")
        return path, record.count, offset

    def _missing(self, key: str, reason: str) -> CompileError:
        return CompileError.of(
            catalogue.TENSOR_UNREADABLE,
            f"the tensor `{printable(key)}` of `{printable(self.name)}` cannot be read: {reason}",
        )


def _pointer_help(name: str) -> str:
    """How to get what a Git LFS pointer stands for."""
    if ":" in name:
        return f"`git cat-file --filters {printable(name)} > old.onnx` writes the model"
    return "`git lfs pull` fetches the model"
