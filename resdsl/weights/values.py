"""From a parameter to its array: the one place where tensors are made, a piece at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from resdsl.ir.graph import Derived, DerivedFunction, Parameter, Stored
from resdsl.ir.initializers import Constant, VarianceScaling
from resdsl.ir.types import DType
from resdsl.weights.checkpoint import Checkpoint, divided
from resdsl.weights.initial import Scheme

if TYPE_CHECKING:
    from concurrent.futures import Future

    import numpy as np

PIECE = 1 << 16
"""Elements that are made at once: 256 KiB of float32, so that a piece, and what it is computed from, is still in the
processor's cache as it is used."""

LOOKAHEAD_BYTES = 64 << 20
"""How much ``stream`` makes ahead of its reader, in bytes of tensors."""


@dataclass(frozen=True, slots=True)
class LazyTensor:
    """A tensor that is made while it is read. ``seed`` and ``scheme`` decide what is drawn at random.

    Reading it raises ``CheckpointError`` where a checkpoint turns out to be damaged.
    """

    parameter: Parameter
    seed: int = 0
    scheme: Scheme = Scheme.HE_NORMAL

    def raw(self) -> Iterator[memoryview]:
        """Its bytes as ONNX has them, some at a time. Each is used before the next is asked for."""
        windows = _windows(self.parameter)
        if windows is not None:
            return windows
        from resdsl.weights.elements import raw_bytes  # copying float32 from a file takes no NumPy

        return map(raw_bytes, self.pieces())

    def pieces(self, count: int = PIECE) -> Iterator[np.ndarray]:
        """Its elements in C order, of the parameter's type: flat arrays of ``count``, the last one shorter.

        Each is used before the next is asked for.
        """
        from resdsl.weights.elements import numpy_dtype

        dtype = numpy_dtype(self.parameter.dtype)
        return (piece.astype(dtype, copy=False) for piece in self._as_made(count))

    def _as_made(self, count: int) -> Iterator[np.ndarray]:
        """The elements in the type that their source has."""
        parameter = self.parameter
        match parameter.source:
            case Constant() | VarianceScaling() as initializer:
                from resdsl.weights.drawing import drawn, filler

                fill = filler(parameter.name, initializer, self.seed, self.scheme)
                return drawn(fill, parameter.count, count)
            case Stored(checkpoint, key):
                if isinstance(checkpoint, Checkpoint):
                    return checkpoint.pieces(key, count)
                return divided(checkpoint.read(key), count)
            case Derived(function, operands):
                if function.rowwise:
                    return self._by_rows(function, operands, count)
                value = function(*(value_of(operand, self.seed, self.scheme) for operand in operands))
                if value.shape != parameter.shape:
                    raise ValueError(f"{function.name} makes {parameter.name} {value.shape}, not {parameter.shape}")
                return divided(value, count)

    def _by_rows(self, function: DerivedFunction, operands: Sequence[Parameter], count: int) -> Iterator[np.ndarray]:
        """Some rows of the operands after another: no operand is ever there as a whole."""
        rows = max(1, count // max(1, prod(self.parameter.shape[1:])))
        sources = [
            LazyTensor(operand, self.seed, self.scheme).pieces(rows * prod(operand.shape[1:])) for operand in operands
        ]
        for pieces in zip(*sources, strict=True):
            both = zip(pieces, operands, strict=True)
            yield function(*(piece.reshape(-1, *operand.shape[1:]) for piece, operand in both)).reshape(-1)


def _windows(parameter: Parameter) -> Iterator[memoryview] | None:
    """The bytes of a tensor that stand in a file as ONNX has them; ``None`` for any other."""
    match parameter.source:
        case Stored(Checkpoint() as checkpoint, key) if parameter.dtype is DType.F32:
            return checkpoint.windows(key, 4 * PIECE)
    return None


def prepare(parameters: Iterable[Parameter]) -> None:
    """Import all that making these tensors takes, before several threads make them.

    Ctrl-C in the middle of an import can leave the lock of Python's importing taken, and threads that import too would
    wait for it for ever.
    """
    dtypes = {parameter.dtype for parameter in parameters if _windows(parameter) is None}
    if not dtypes:
        return
    from resdsl.weights import drawing, elements  # noqa: F401  copying takes none of this

    for dtype in dtypes:
        elements.numpy_dtype(dtype)


def value_of(parameter: Parameter, seed: int = 0, scheme: Scheme = Scheme.HE_NORMAL) -> np.ndarray:
    """The tensor of a parameter, of its shape and element type, in C order.

    ``seed`` and ``scheme`` decide what is drawn at random, also below a ``Derived``. A stored tensor of as many
    elements in another shape is reshaped (``[1000, 2048]`` and ``[1000, 2048, 1, 1]`` are the same weights). Raises
    ``CheckpointError`` where a checkpoint turns out to be damaged.
    """
    import numpy as np

    from resdsl.weights.elements import numpy_dtype

    value = np.empty(parameter.shape, numpy_dtype(parameter.dtype))
    flat, done = value.reshape(-1), 0
    for piece in LazyTensor(parameter, seed, scheme).pieces():
        flat[done : done + piece.size] = piece
        done += piece.size
    return value


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
    from concurrent.futures import ThreadPoolExecutor  # logging comes with it, and files need none of it

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
