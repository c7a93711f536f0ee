"""An open file of named tensors, in any format."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from resdsl.diagnostics import CompileError, catalogue
from resdsl.ir.graph import CheckpointReader
from resdsl.untrusted import bounded_ints, printable_shape

if TYPE_CHECKING:
    import numpy as np

Progress = Callable[[int, int], None]
"""Called with the bytes received so far and their total."""

MAX_ELEMENTS = 1 << 33
"""Elements of one tensor: far more than any layer has, few enough not to exhaust the machine."""

MAX_RANK = 32
"""Axes of one tensor; a longer shape is not a weight, and its product alone could be expensive."""


class CheckpointError(CompileError):
    """A file of weights cannot be read or is refused; ``diagnostic`` has the reason and the fix."""

    @classmethod
    def damaged(cls, name: str, fact: str) -> CheckpointError:
        """The file ``name`` is inconsistent or truncated."""
        return cls.of(
            catalogue.CHECKPOINT_DAMAGED,
            f"`{name}` is damaged or cut off: {fact}",
            helps=("download or save the file again and compare its size with the original's",),
        )


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Shape and type of a stored tensor. ``dtype`` is NumPy's name for the type in the file, or ``bfloat16``."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def count(self) -> int:
        return prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether ``read`` returns float32."""
        return self.dtype in FLOATS


class Checkpoint(CheckpointReader):
    """An open file of tensors. Close it, or use it in a ``with`` block.

    ``name`` is its name in messages. ``tensors`` are in the file's order. ``wrapper`` is the key that holds them, if
    they are not at the top level (``state_dict`` in a training checkpoint). ``origin`` is the address that the file was
    fetched from, with the commit or digest that pins it; empty for local files. ``unnamed`` are float tensors whose
    names an exporter made up, which are not in ``tensors``; ``transposed`` are matrices that ``read`` transposes.
    """

    path: Path
    metadata: Mapping[str, str]
    tensors: Mapping[str, TensorInfo]
    wrapper: str = ""
    origin: str = ""
    unnamed: tuple[str, ...] = ()
    transposed: frozenset[str] = frozenset()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    def read(self, key: str) -> np.ndarray:
        """One tensor, read from the file: floats of any size as float32, other types as stored.

        Thread-safe. Raises ``CheckpointError`` if the file is damaged or the element type cannot be that of weights,
        ``KeyError`` for a key that is not in ``tensors``.
        """
        raise NotImplementedError

    def windows(self, key: str, size: int) -> Iterator[memoryview] | None:
        """The bytes of ``read(key)``, ``size`` at a time, if the file stores them in ONNX's layout; else ``None``.

        A window is valid until the next one is requested. Raises as ``read`` does.
        """
        return None

    def pieces(self, key: str, count: int) -> Iterator[np.ndarray]:
        """The elements of ``read(key)`` in C order: flat arrays of ``count``, the last one shorter.

        Each is read-only and valid until the next one is requested.
        """
        yield from divided(self.read(key), count)

    def close(self) -> None:
        """Close the file. Nothing can be read after it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


FLOATS = {"float64": "f8", "float32": "f4", "float16": "f2", "bfloat16": "u2"}
"""Element types of weights, and the NumPy type that reads their bytes (NumPy has no bfloat16)."""


def is_plain(info: TensorInfo, *, big_endian: bool = False) -> bool:
    """Whether elements in a file need no conversion: float32, little endian."""
    return info.dtype == "float32" and not big_endian and sys.byteorder == "little"


def divided(array: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """The elements of an array in C order, ``count`` at a time."""
    flat = array.reshape(-1)
    for start in range(0, flat.size, count):
        yield flat[start : start + count]


def check_shape(shape: tuple[int, ...], *, name: str, key: str) -> int:
    """The number of elements; raises ``CheckpointError`` if the shape is impossible or above the limit."""
    if len(shape) > MAX_RANK or bounded_ints(shape) is None:
        raise CheckpointError.damaged(name, f"`{key:.80}` has the impossible shape {printable_shape(shape)}")
    # NumPy refuses an empty array too if the product of its other sizes exceeds memory.
    if prod(size for size in shape if size) > MAX_ELEMENTS:
        raise CheckpointError.of(
            catalogue.CHECKPOINT_TOO_LARGE,
            f"`{key:.80}` in `{name}` has the shape {printable_shape(shape)}; {MAX_ELEMENTS:,} elements is the limit",
            helps=("the file is damaged or malicious: download it again from a source you trust",),
        )
    return prod(shape)


def neighbour(folder: Path, reference: str, *, name: str, links: bool) -> Path:
    """The file in ``folder`` that the file ``name`` refers to; never one outside.

    With ``links`` a symbolic link may point outside the folder (the caches of model hubs consist of such links).
    """
    relative = Path(reference)
    # A backslash separates folders on Windows and is in no usual file name.
    inside = not relative.is_absolute() and ".." not in relative.parts and not set("\\\0:") & set(reference)
    path = folder / relative
    if inside and not links:
        inside = path.resolve().is_relative_to(folder.resolve())
    if not inside or not reference:
        raise CheckpointError.of(
            catalogue.CHECKPOINT_OUTSIDE,
            f"`{name}` refers to weights in `{reference}`, which is outside its folder",
            helps=("put all files of the model into one folder; references to other folders are not followed",),
        )
    if not path.is_file():
        raise CheckpointError.of(
            catalogue.FILE_NOT_FOUND,
            f"`{name}` refers to weights in `{reference}`, which is not in the same folder",
            helps=(f"download `{reference}` too and put it into `{folder}`",),
        )
    return path
