"""From a parameter to its array: the one place where tensors are made, one at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from resdsl.ir.graph import Derived, Initializer, Parameter, Stored
from resdsl.ir.types import DType
from resdsl.weights.initial import Scheme, initial_value

LOOKAHEAD_BYTES = 256 << 20
"""How much ``stream`` makes ahead of its reader, in bytes of tensors."""


def value_of(parameter: Parameter, seed: int = 0, scheme: Scheme = Scheme.HE_NORMAL) -> np.ndarray:
    """The tensor of a parameter, of its shape and element type, in C order.

    ``seed`` and ``scheme`` decide what is drawn at random, also below a ``Derived``. A stored tensor of as many
    elements in another shape is reshaped (``[1000, 2048]`` and ``[1000, 2048, 1, 1]`` are the same weights). Raises
    ``CheckpointError`` where a checkpoint turns out to be damaged.
    """
    match parameter.source:
        case Initializer(role):
            value = initial_value(parameter.name, parameter.shape, role, seed, scheme)
        case Stored(checkpoint, key):
            value = checkpoint.read(key).reshape(parameter.shape)
        case Derived(function, operands):
            value = function(*(value_of(operand, seed, scheme) for operand in operands))
            if value.shape != parameter.shape:
                raise ValueError(f"{function.name} makes {parameter.name} {value.shape}, not {parameter.shape}")
    return np.ascontiguousarray(value, dtype=_numpy(parameter.dtype))


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
