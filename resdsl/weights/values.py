"""From a parameter to its array: the one place where tensors are made, a piece at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from resdsl.ir.graph import Derived, Initializer, Parameter, Stored
from resdsl.ir.types import DType
from resdsl.weights.checkpoint import Checkpoint, divided
from resdsl.weights.initial import Filler, Scheme, filler

if TYPE_CHECKING:
    from concurrent.futures import Future

PIECE = 1 << 18
"""Elements that are made at once: 1 MiB of float32, so that a piece is still in the processor's cache as it is used."""

LOOKAHEAD_BYTES = 64 << 20
"""How much ``stream`` makes ahead of its reader, in bytes of tensors."""


@dataclass(frozen=True, slots=True)
class LazyTensor:
    """A tensor that is made while it is read. ``seed`` and ``scheme`` decide what is drawn at random."""

    parameter: Parameter
    seed: int = 0
    scheme: Scheme = Scheme.HE_NORMAL

    def pieces(self, count: int = PIECE) -> Iterator[np.ndarray]:
        """Its elements in C order: flat arrays of ``count``, the last one shorter.

        Each is used before the next is asked for. The element type is the parameter's. Raises ``CheckpointError``
        where a checkpoint turns out to be damaged.
        """
        dtype = _numpy(self.parameter.dtype)
        for piece in _pieces(self.parameter, self.seed, self.scheme, count):
            yield piece.astype(dtype, copy=False)


def _pieces(parameter: Parameter, seed: int, scheme: Scheme, count: int) -> Iterator[np.ndarray]:
    """The elements as their source has them."""
    match parameter.source:
        case Initializer(role):
            return _drawn(parameter, filler(parameter.name, parameter.shape, role, seed, scheme), count)
        case Stored(checkpoint, key):
            if isinstance(checkpoint, Checkpoint):
                return checkpoint.pieces(key, count)
            return divided(checkpoint.read(key), count)
        case Derived(function, operands):
            if function.rowwise:
                return _by_rows(parameter, seed, scheme, count)
            value = function(*(value_of(operand, seed, scheme) for operand in operands))
            if value.shape != parameter.shape:
                raise ValueError(f"{function.name} makes {parameter.name} {value.shape}, not {parameter.shape}")
            return divided(value, count)


def _drawn(parameter: Parameter, fill: Filler, count: int) -> Iterator[np.ndarray]:
    left = parameter.count
    buffer = np.empty(min(left, count), np.float32)
    while left:
        piece = buffer[:left]
        fill(piece)
        yield piece
        left -= piece.size


def _by_rows(parameter: Parameter, seed: int, scheme: Scheme, count: int) -> Iterator[np.ndarray]:
    """Some rows of the operands after another: no operand is ever there as a whole."""
    assert isinstance(parameter.source, Derived)
    operands = parameter.source.operands
    rows = max(1, count // max(1, prod(parameter.shape[1:])))
    sources = [LazyTensor(operand, seed, scheme).pieces(rows * prod(operand.shape[1:])) for operand in operands]
    for pieces in zip(*sources, strict=True):
        together = zip(pieces, operands, strict=True)
        yield parameter.source.function(*(piece.reshape(-1, *operand.shape[1:]) for piece, operand in together))


def value_of(parameter: Parameter, seed: int = 0, scheme: Scheme = Scheme.HE_NORMAL) -> np.ndarray:
    """The tensor of a parameter, of its shape and element type, in C order.

    ``seed`` and ``scheme`` decide what is drawn at random, also below a ``Derived``. A stored tensor of as many
    elements in another shape is reshaped (``[1000, 2048]`` and ``[1000, 2048, 1, 1]`` are the same weights). Raises
    ``CheckpointError`` where a checkpoint turns out to be damaged.
    """
    value = np.empty(parameter.shape, _numpy(parameter.dtype))
    flat, done = value.reshape(-1), 0
    for piece in LazyTensor(parameter, seed, scheme).pieces():
        flat[done : done + piece.size] = piece
        done += piece.size
    return value


@cache
def _numpy(dtype: DType) -> np.dtype[Any]:
    if dtype is DType.BF16:
        import ml_dtypes  # noqa: PLC0415  (comes with onnx; NumPy has no such type)

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype({DType.F32: "f4", DType.F16: "f2", DType.U8: "u1", DType.I64: "i8"}[dtype])


def stream(
    parameters: Iterable[Parameter],
    seed: int = 0,
    scheme: Scheme = Scheme.HE_NORMAL,
    *,
    threads: int | None = None,
    lookahead: int = LOOKAHEAD_BYTES,
) -> Iterator[tuple[Parameter, np.ndarray]]:
    """Each parameter with its tensor, in order, made by ``threads`` threads ahead of the reader.

    At most ``lookahead`` bytes of tensors are held ahead, or one tensor where that is larger. The threads end with
    the iteration, also where the reader stops early. Values do not depend on the number of threads.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  logging comes with it, and files need none of it

    workers = threads or min(8, os.cpu_count() or 1)
    waiting: deque[tuple[Parameter, Future[np.ndarray]]] = deque()
    held = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="weights") as pool:
        try:
            for parameter in parameters:
                while waiting and held + parameter.bytes > lookahead:
                    held -= waiting[0][0].bytes
                    yield _first(waiting)
                waiting.append((parameter, pool.submit(value_of, parameter, seed, scheme)))
                held += parameter.bytes
            while waiting:
                yield _first(waiting)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _first(waiting: deque[tuple[Parameter, Future[np.ndarray]]]) -> tuple[Parameter, np.ndarray]:
    parameter, future = waiting.popleft()
    return parameter, future.result()
