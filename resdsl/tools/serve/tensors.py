"""Tensors of the Open Inference Protocol: as raw bytes, as numbers in JSON and protocol buffers, and as classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from tritonclient.utils import (  # type: ignore[import-untyped]
    deserialize_bytes_tensor,
    serialize_byte_tensor,
    triton_to_np_dtype,
)

from resdsl.runtime.session import Array
from resdsl.tools.serve.errors import Reason, Refusal
from resdsl.untrusted import bounded_ints, printable, printable_shape

_MOST_SIZES = 16


def from_bytes(name: str, kind: str, shape: object, data: bytes | memoryview) -> Array:
    """The tensor whose elements are ``data``, little-endian and in C order. Raises ``Refusal``."""
    sizes, dtype = _sizes(name, shape), _dtype(name, kind)
    count = math.prod(sizes)
    if dtype == np.object_:
        try:
            values = deserialize_bytes_tensor(bytes(data))
        except Exception:  # of several types, for lengths that do not fit
            raise _invalid(name, "is no list of texts, each after its length in 4 bytes") from None
        if values.size != count:
            raise _invalid(name, f"has {values.size} texts, and its shape {printable_shape(sizes)} takes {count}")
        return np.array([_text(name, one) for one in values], dtype=np.object_).reshape(sizes)
    if len(data) != count * dtype.itemsize:
        needed = f"{printable_shape(sizes)} of {kind} takes {count * dtype.itemsize}"
        raise _invalid(name, f"has {len(data)} bytes, and {needed}")
    return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False).reshape(sizes)


def from_numbers(name: str, kind: str, shape: object, data: object) -> Array:
    """The tensor of a list of numbers, flat or nested. Raises ``Refusal``."""
    sizes, dtype = _sizes(name, shape), _dtype(name, kind)
    try:
        values = np.asarray(data, dtype=np.object_ if dtype == np.object_ else None)
    except ValueError:
        values = None
    if values is None:
        raise _invalid(name, "has lists of different lengths")
    if values.size != math.prod(sizes):
        raise _invalid(name, f"has {values.size} values, and its shape is {printable_shape(sizes)}")
    if not values.size:
        return np.zeros(sizes, dtype)
    if dtype == np.object_:
        return np.array([_text(name, one) for one in values.ravel()], dtype=np.object_).reshape(sizes)
    if values.dtype.kind not in _KINDS[dtype.kind]:
        raise _invalid(name, f"has values that are not {kind}")
    with np.errstate(over="ignore"):
        typed = values.astype(dtype)
    if dtype.kind in "iu" and not np.array_equal(typed, values):
        raise _invalid(name, f"has values beyond the range of {kind}")
    return typed.reshape(sizes)


# Kinds of NumPy that numbers in JSON have, for each kind of tensor.
_KINDS = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}


def to_bytes(values: Array) -> bytes:
    """The elements, little-endian and in C order; texts each after its length."""
    if values.dtype == np.object_:
        encoded = np.array([_bytes(one) for one in values.ravel()], dtype=np.object_)
        return b"" if not encoded.size else bytes(serialize_byte_tensor(encoded).item())
    return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()


def to_numbers(name: str, values: Array) -> list[object]:
    """The elements as JSON has them, flat. Raises ``Refusal`` for values that JSON has no numbers for."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise Refusal(
            Reason.INVALID,
            f"the output `{name}` has values that are NaN or infinite, which JSON cannot hold",
            helps=("ask for binary data",),
        )
    if values.dtype == np.object_:
        return [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in values.ravel()]
    flat: list[object] = values.ravel().tolist()
    return flat


def classes(values: Array, top: int, labels: Sequence[str]) -> Array:
    """The ``top`` best classes of each row, ``[N, top]`` of texts ``value:index:label``, as Triton gives them."""
    rows = values.reshape(values.shape[0], -1) if values.ndim > 1 else values.reshape(1, -1)
    top = min(top, rows.shape[1])
    order = np.argsort(-rows, axis=1, kind="stable")[:, :top]
    texts = [
        [f"{row[index]:f}:{index}" + (f":{labels[index]}" if index < len(labels) else "") for index in best]
        for row, best in zip(rows, order, strict=True)
    ]
    made = np.empty((len(texts), top), dtype=np.object_)
    made[:] = texts
    return made if values.ndim > 1 else made[0]


def _sizes(name: str, shape: object) -> tuple[int, ...]:
    sizes = bounded_ints(list(shape) if isinstance(shape, Sequence) else shape)
    if sizes is None or len(sizes) > _MOST_SIZES:
        raise _invalid(name, f"has the shape {printable(shape)}, which is no list of sizes")
    return sizes


def _dtype(name: str, kind: str) -> np.dtype[np.generic]:
    known = triton_to_np_dtype(kind) if kind != "BF16" else None
    if known is None:
        raise _invalid(name, f"has the data type `{printable(kind)}`, which is not one of the protocol's")
    made: np.dtype[np.generic] = np.dtype(known)
    return made


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError:
        raise _invalid(name, "has texts that are not UTF-8") from None


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _invalid(name: str, fact: str) -> Refusal:
    return Refusal(Reason.INVALID, f"`{printable(name)}` {fact}")
