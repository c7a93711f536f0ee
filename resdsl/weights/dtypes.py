"""Element types of tensors in files, in NumPy and in ONNX, and the conversions between their bytes."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np

from resdsl.diagnostics import catalogue
from resdsl.ir.types import DType
from resdsl.weights.checkpoint import FLOATS, CheckpointError, TensorInfo

_OTHERS = {
    "int64": "i8",
    "int32": "i4",
    "int16": "i2",
    "int8": "i1",
    "uint64": "u8",
    "uint32": "u4",
    "uint16": "u2",
    "uint8": "u1",
    "bool": "?",
}


def stored_dtype(info: TensorInfo, *, name: str, key: str, big_endian: bool = False) -> np.dtype:
    """NumPy's type for the bytes of a tensor in a file; raises ``CheckpointError`` if there is none."""
    code = FLOATS.get(info.dtype) or _OTHERS.get(info.dtype)
    if code is None:
        raise CheckpointError.of(
            catalogue.CHECKPOINT_DTYPE,
            f"`{key}` in `{name}` has elements of type {info.dtype}, which cannot be weights",
            helps=("save the weights as float32, float16 or bfloat16",),
        )
    return np.dtype(code).newbyteorder(">" if big_endian else "<")


def as_weights(stored: np.ndarray, dtype: str) -> np.ndarray:
    """An array as stored, in C order, and as float32 if ``dtype`` is a float type. Copied only if needed."""
    if dtype == "bfloat16":
        # bfloat16 is the upper half of float32.
        return (stored.astype(np.uint32, order="C") << np.uint32(16)).view(np.float32)
    if dtype not in FLOATS:
        return stored.astype(stored.dtype.newbyteorder("="), order="C", copy=False)
    # A float64 beyond float32's range becomes infinite and a signalling NaN a quiet one.
    with np.errstate(over="ignore", invalid="ignore"):
        return stored.astype(np.float32, order="C", copy=False)


@cache
def numpy_dtype(dtype: DType) -> np.dtype[Any]:
    """NumPy's type for the elements of a parameter."""
    if dtype is DType.BF16:
        import ml_dtypes  # (a dependency of onnx; NumPy has no such type)

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype({DType.F32: "f4", DType.F16: "f2", DType.U8: "u1", DType.I64: "i8"}[dtype])


def raw_bytes(array: np.ndarray) -> memoryview:
    """The bytes of an array as ONNX stores them: C order, little endian. Copied only if needed."""
    if sys.byteorder == "big" or not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("<"))
    # As bytes, because memoryview does not know bfloat16.
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
