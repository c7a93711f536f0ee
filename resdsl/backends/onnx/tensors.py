"""Weights as ONNX tensors: inside the model, or in a file beside it. What stands where is known before any value is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Protocol

import numpy as np

from resdsl.backends.onnx import protobuf
from resdsl.backends.onnx.model import ELEMENT_TYPES
from resdsl.ir.graph import Parameter
from resdsl.ir.types import DType


class LazyTensor(Protocol):
    """A tensor that is made while it is written, so that it is never there as a whole."""

    def pieces(self) -> Iterator[np.ndarray]:
        """Its elements in C order, as flat arrays, each of which is written before the next is asked for."""


Tensor = np.ndarray | LazyTensor

Values = Iterable[tuple[Parameter, Tensor]]
"""Every parameter of a graph with its tensor, in the order of the graph. Nothing holds on to one that is written."""

Piece = bytes | memoryview
Write = Callable[[Piece], object]
"""Takes the next bytes of a file."""

INLINE_BELOW = 1024
"""Tensors of fewer bytes stay in the model even where the others have a file of their own."""

ALIGNMENT = 4096
"""Tensors in a side file begin at a multiple of a memory page, so that they can be mapped."""

_NUMPY_NAMES = {
    DType.F32: "float32",
    DType.F16: "float16",
    DType.BF16: "bfloat16",
    DType.U8: "uint8",
    DType.I64: "int64",
}

# Field numbers of TensorProto and of StringStringEntryProto, from onnx.proto.
_DIMS, _DATA_TYPE, _NAME, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 8, 13, 14
_KEY, _VALUE = 1, 2

_EXTERNAL = 1  # TensorProto.DataLocation


@dataclass(frozen=True, slots=True)
class Field:
    """A tensor's place in a file: the bytes that stand before it, then so many of its own. Fields follow each other."""

    parameter: Parameter
    before: Piece
    bytes: int

    @property
    def length(self) -> int:
        """Bytes of both."""
        return len(self.before) + self.bytes


def inline_field(parameter: Parameter) -> Field:
    """An initializer inside the graph; before its bytes stand key, length, dims, type, name, and the bytes' length."""
    length = parameter.bytes
    body = _describe(parameter) + protobuf.prefix(protobuf.TENSOR_RAW_DATA, length)
    return Field(parameter, protobuf.prefix(protobuf.GRAPH_INITIALIZER, len(body) + length) + body, length)


def side_fields(parameters: Iterable[Parameter]) -> list[Field]:
    """The large parameters in a side file, aligned."""
    padding = memoryview(bytes(ALIGNMENT))
    fields: list[Field] = []
    position = 0
    for parameter in parameters:
        if (length := parameter.bytes) >= INLINE_BELOW:
            gap = -position % ALIGNMENT
            fields.append(Field(parameter, padding[:gap], length))
            position += gap + length
    return fields


def referring_initializers(
    parameters: Iterable[Parameter], inside: Mapping[str, bytes], beside: Sequence[Field], location: str
) -> bytes:
    """The initializers of a graph whose large tensors are ``beside`` it, in the file called ``location``.

    ``inside`` are the bytes of the others.
    """
    places: dict[str, int] = {}
    position = 0
    for field in beside:
        places[field.parameter.name] = position + len(field.before)
        position += field.length
    encoded = bytearray()
    for parameter in parameters:
        body = _describe(parameter)
        if parameter.name in inside:
            body += _string(protobuf.TENSOR_RAW_DATA, inside[parameter.name])
        else:
            for key, value in (
                ("location", location),
                ("offset", str(places[parameter.name])),
                ("length", str(parameter.bytes)),
            ):
                entry = _string(_KEY, key.encode()) + _string(_VALUE, value.encode())
                body += _string(_EXTERNAL_DATA, entry)
            body += _number(_DATA_LOCATION, _EXTERNAL)
        encoded += _string(protobuf.GRAPH_INITIALIZER, body)
    return bytes(encoded)


def _describe(parameter: Parameter) -> bytes:
    """The fields of a TensorProto that say what it is."""
    return _shape_and_type(parameter.shape, parameter.dtype) + _string(_NAME, parameter.name.encode())


@lru_cache(1024)  # A large network has thousands of tensors of few shapes.
def _shape_and_type(shape: tuple[int, ...], dtype: DType) -> bytes:
    dims = [_number(_DIMS, size) for size in shape]
    return b"".join((*dims, _number(_DATA_TYPE, ELEMENT_TYPES[dtype])))


def _number(field: int, value: int) -> bytes:
    return protobuf.varint(field << 3) + protobuf.varint(value)


def _string(field: int, value: bytes) -> bytes:
    return protobuf.prefix(field, len(value)) + value


def raw_pieces(parameter: Parameter, tensor: Tensor) -> Iterator[memoryview]:
    """The bytes of a tensor as ONNX stores them: C order, little endian. No copy where an array is so already."""
    if isinstance(tensor, np.ndarray):
        if tensor.shape != parameter.shape:
            raise _unlike(parameter, f"{tensor.dtype}{list(tensor.shape)}")
        yield _raw(parameter, tensor)
        return
    left = parameter.count
    for piece in tensor.pieces():
        left -= piece.size
        yield _raw(parameter, piece)
    if left:
        raise _unlike(parameter, f"{parameter.count - left} elements")


def _raw(parameter: Parameter, array: np.ndarray) -> memoryview:
    if _type_name(array.dtype) != _NUMPY_NAMES[parameter.dtype]:
        raise _unlike(parameter, f"{array.dtype}{list(array.shape)}")
    if sys.byteorder == "big" or not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("<"))
    # As bytes, because bfloat16 is no type that a memoryview knows.
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


@cache
def _type_name(dtype: np.dtype) -> str:
    return dtype.name


def _unlike(parameter: Parameter, found: str) -> AssertionError:
    return AssertionError(
        f"{parameter.name} should be {parameter.dtype}{list(parameter.shape)}, and its source gives {found}"
    )
