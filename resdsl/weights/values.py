"""From a parameter to its array, a piece at a time. Every tensor of a compiled model is computed here."""

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
"""Elements computed at once: 256 KiB of float32, so that a piece and its operands stay in the processor's cache."""

PREFETCH_BYTES = 64 << 20
"""How many bytes of tensors ``stream`` computes before its reader asks for them."""


@dataclass(frozen=True, slots=True)
class ParameterTensor:
    """The tensor of a parameter, computed while it is read. ``seed`` and ``scheme`` select the random values.

    Reading it raises ``CheckpointError`` if a checkpoint is damaged.
    """

    parameter: Parameter
    seed: int = 0
    scheme: Scheme = Scheme.HE_NORMAL

    def raw(self) -> Iterator[memoryview]:
        """Its bytes in ONNX's layout, in pieces. A piece is valid until the next one is requested."""
        windows = _windows(self.parameter)
        if windows is not None:
            return windows
        from resdsl.weights.dtypes import raw_bytes  # copying float32 from a file needs no NumPy

        return map(raw_bytes, self.pieces())

    def pieces(self, count: int = PIECE) -> Iterator[np.ndarray]:
        """Its elements in C order, of the parameter's type: flat arrays of ``count``, the last one shorter.

        A piece is valid until the next one is requested.
        """
        from resdsl.weights.dtypes import numpy_dtype

        dtype = numpy_dtype(self.parameter.dtype)
        return (piece.astype(dtype, copy=False) for piece in self._source_pieces(count))

    def _source_pieces(self, count: int) -> Iterator[np.ndarray]:
        """The elements in the type of their source."""
        parameter = self.parameter
        match parameter.source:
            case Constant() | VarianceScaling() as initializer:
                from resdsl.weights.sampling import drawn, filler

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
                    raise ValueError(
                        f"{function.name} returns shape {value.shape} for {parameter.name}, not {parameter.shape}"
                    )
                return divided(value, count)

    def _by_rows(self, function: DerivedFunction, operands: Sequence[Parameter], count: int) -> Iterator[np.ndarray]:
        """Compute some rows at a time, so that no operand is in memory as a whole."""
        rows = max(1, count // max(1, prod(self.parameter.shape[1:])))
        sources = [
            ParameterTensor(operand, self.seed, self.scheme).pieces(rows * prod(operand.shape[1:]))
            for operand in operands
        ]
        for pieces in zip(*sources, strict=True):
            both = zip(pieces, operands, strict=True)
            yield function(*(piece.reshape(-1, *operand.shape[1:]) for piece, operand in both)).reshape(-1)


def _windows(parameter: Parameter) -> Iterator[memoryview] | None:
    """The bytes of a tensor that a file stores in ONNX's layout; ``None`` for any other tensor."""
    match parameter.source:
        case Stored(Checkpoint() as checkpoint, key) if parameter.dtype is DType.F32:
            return checkpoint.windows(key, 4 * PIECE)
    return None


def prepare(parameters: Iterable[Parameter]) -> None:
    """Import every module that computing these tensors needs, before threads compute them.

    Ctrl-C during an import can leave Python's import lock held, and threads that import would then wait for ever.
    """
    computed = {parameter.dtype for parameter in parameters if _windows(parameter) is None}
    if not computed:
        return
    from resdsl.weights import dtypes, sampling  # noqa: F401  copying needs neither

    for dtype in computed:
        dtypes.numpy_dtype(dtype)


def value_of(parameter: Parameter, seed: int = 0, scheme: Scheme = Scheme.HE_NORMAL) -> np.ndarray:
    """The tensor of a parameter, of its shape and element type, in C order.

    ``seed`` and ``scheme`` select the random values, also those below a ``Derived``. A stored tensor of as many
    elements in another shape is reshaped (``[1000, 2048]`` and ``[1000, 2048, 1, 1]`` are the same weights). Raises
    ``CheckpointError`` if a checkpoint is damaged.
    """
    import numpy as np

    from resdsl.weights.dtypes import numpy_dtype

    value = np.empty(parameter.shape, numpy_dtype(parameter.dtype))
    flat, done = value.reshape(-1), 0
    for piece in ParameterTensor(parameter, seed, scheme).pieces():
        flat[done : done + piece.size] = piece
        done += piece.size
    return value


def stream(
    parameters: Iterable[Parameter],
    seed: int = 0,
    scheme: Scheme = Scheme.HE_NORMAL,
    *,
    threads: int | None = None,
    prefetch: int = PREFETCH_BYTES,
) -> Iterator[tuple[Parameter, np.ndarray]]:
    """Each parameter with its tensor, in order, prefetched by ``threads`` threads.

    At most ``prefetch`` bytes of tensors are held, or one tensor if that is larger. The threads end with the
    iteration, also if the reader stops early. Values do not depend on the number of threads.
    """
    from concurrent.futures import ThreadPoolExecutor  # imports logging, which writing a file does not need

    workers = threads or min(8, os.cpu_count() or 1)
    waiting: deque[tuple[Parameter, Future[np.ndarray]]] = deque()
    held = 0
    with ThreadPoolExecutor(workers, thread_name_prefix="weights") as pool:
        try:
            for parameter in parameters:
                while waiting and held + parameter.bytes > prefetch:
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
