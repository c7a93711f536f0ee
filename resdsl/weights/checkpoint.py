"""An open file of named tensors, whatever its format."""

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

if TYPE_CHECKING:
    import numpy as np

Progress = Callable[[int, int], None]
"""Told how many bytes have come, of how many."""

MAX_ELEMENTS = 1 << 33
"""Elements of one tensor: far more than any layer has, far less than an allocation that takes the machine down."""

MAX_RANK = 32
"""Axes of one tensor; a longer shape is no weight, and its product alone could be costly."""


class CheckpointError(CompileError):
    """A file of weights cannot be read, or must not be; ``diagnostic`` says why and what to do."""

    @classmethod
    def damaged(cls, name: str, fact: str) -> CheckpointError:
        """The file called ``name`` contradicts itself or ends early."""
        return cls.of(
            catalogue.CHECKPOINT_DAMAGED,
            f"`{name}` is damaged or cut off: {fact}",
            helps=("fetch or save the file again and compare its size with the original's",),
        )


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a file says of a tensor. ``dtype`` is NumPy's name for the elements in the file, or ``bfloat16``."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def count(self) -> int:
        return prod(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether ``read`` gives float32, as weights are."""
        return self.dtype in FLOATS


class Checkpoint(CheckpointReader):
    """An open file of tensors. Close it, or use it in a ``with`` block.

    ``name`` is what messages call it, ``path`` the file. ``tensors`` are in the file's order. ``wrapper`` is where in
    the file they were found, where that is not the top (``state_dict`` of a training checkpoint). ``origin`` is the
    address that the file was fetched from, with what makes it fixed (a commit, a digest); empty for others.
    """

    path: Path
    metadata: Mapping[str, str]
    tensors: Mapping[str, TensorInfo]
    wrapper: str = ""
    origin: str = ""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    def read(self, key: str) -> np.ndarray:
        """One tensor, read from the file: float32 where it has floats of any size, otherwise as it is stored.

        Safe to call from several threads. Raises ``CheckpointError`` where the file is damaged there or the elements
        are of a type that cannot be weights, ``KeyError`` for a key that is not in ``tensors``.
        """
        raise NotImplementedError

    def windows(self, key: str, size: int) -> Iterator[memoryview] | None:
        """The bytes of ``read(key)``, ``size`` at a time, where they stand in the file as ONNX has them.

        ``None`` where they don't. Each window holds until the next is asked for. Raises as ``read`` does.
        """
        return None

    def pieces(self, key: str, count: int) -> Iterator[np.ndarray]:
        """The elements of ``read(key)`` in C order: flat arrays of ``count``, the last one shorter.

        Each holds until the next is asked for, and is only to be read.
        """
        yield from divided(self.read(key), count)

    def close(self) -> None:
        """Let go of the file. Reading after it is a mistake."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


FLOATS = {"float64": "f8", "float32": "f4", "float16": "f2", "bfloat16": "u2"}
"""The element types that weights come in, and as what NumPy, which has no bfloat16, takes their bytes."""


def is_plain(info: TensorInfo, *, big_endian: bool = False) -> bool:
    """Whether elements in a file need no conversion: float32, little endian."""
    return info.dtype == "float32" and not big_endian and sys.byteorder == "little"


def divided(array: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """The elements of an array in C order, ``count`` at a time."""
    flat = array.reshape(-1)
    for start in range(0, flat.size, count):
        yield flat[start : start + count]


def check_shape(shape: tuple[int, ...], *, name: str, key: str) -> int:
    """The number of elements; raises ``CheckpointError`` where the shape is none or beyond the limit."""
    if len(shape) > MAX_RANK or any(size < 0 for size in shape):
        raise CheckpointError.damaged(name, f"`{key}` has the impossible shape {list(shape[:MAX_RANK])}")
    # NumPy refuses an empty array too where its other sizes multiply to more than memory could hold.
    if prod(size for size in shape if size) > MAX_ELEMENTS:
        raise CheckpointError.of(
            catalogue.CHECKPOINT_TOO_LARGE,
            f"`{key}` in `{name}` claims the shape {list(shape)}; {MAX_ELEMENTS:,} elements is the limit",
            helps=("a file that claims so much is damaged or made to do harm: fetch it again from a source you trust",),
        )
    return prod(shape)


def neighbour(folder: Path, reference: str, *, name: str, links: bool) -> Path:
    """The file in ``folder`` that the file called ``name`` refers to; never one outside.

    With ``links`` a symbolic link may lead out of the folder (the caches of model hubs are made of such).
    """
    relative = Path(reference)
    # A backslash separates folders on Windows, and in no honest file name.
    inside = not relative.is_absolute() and ".." not in relative.parts and not set("\\\0:") & set(reference)
    path = folder / relative
    if inside and not links:
        inside = path.resolve().is_relative_to(folder.resolve())
    if not inside or not reference:
        raise CheckpointError.of(
            catalogue.CHECKPOINT_OUTSIDE,
            f"`{name}` refers to weights in `{reference}`, which is outside its folder",
            helps=("put all files of the model into one folder; a file that points elsewhere is not followed",),
        )
    if not path.is_file():
        raise CheckpointError.of(
            catalogue.FILE_NOT_FOUND,
            f"`{name}` refers to weights in `{reference}`, which is not beside it",
            helps=(f"fetch `{reference}` too and put it into `{folder}`",),
        )
    return path
