"""Weights as ONNX tensors, inside the model or in a file beside it. All positions are known before any value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, Union

from resdsl import protobuf
from resdsl.ir.graph import Parameter
from resdsl.ir.types import DType
from resdsl.onnx.nodes import ELEMENT_TYPES

if TYPE_CHECKING:
    import numpy as np


class LazyTensor(Protocol):
    """A tensor that is computed while it is written, so that it is never in memory as a whole."""

    def raw(self) -> Iterator[memoryview]:
        """Its bytes, C order and little endian; each piece is written before the next is asked for."""


Tensor = Union["np.ndarray", LazyTensor]

Values = Iterable[tuple[Parameter, Tensor]]
"""Every parameter of a graph with its tensor, in the order of the graph. Written tensors are not kept alive."""

Piece = bytes | memoryview
Write = Callable[[Piece], object]
"""Takes the next bytes of a file."""

INLINE_BELOW = 1024
"""Tensors of fewer bytes stay in the model even where the others have a file of their own."""

ALIGNMENT = 4096
"""Tensors in a side file begin at a multiple of a memory page, so that they can be mapped."""

# Field numbers of TensorProto and of StringStringEntryProto, from onnx.proto.
_DIMS, _DATA_TYPE, _NAME, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 8, 13, 14
_KEY, _VALUE = 1, 2

_EXTERNAL = 1  # TensorProto.DataLocation


@dataclass(frozen=True, slots=True)
class Field:
    """A tensor in a file: the bytes before it, then ``bytes`` of its own. Fields follow each other without gaps."""

    parameter: Parameter
    before: Piece
    bytes: int

    @property
    def length(self) -> int:
        """Bytes of both."""
        return len(self.before) + self.bytes


def inline_field(parameter: Parameter) -> Field:
    """An initializer inside the graph; key, length, dims, type, name and length of the data precede its bytes."""
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
    offsets: dict[str, int] = {}
    position = 0
    for field in beside:
        offsets[field.parameter.name] = position + len(field.before)
        position += field.length
    encoded = bytearray()
    for parameter in parameters:
        body = _describe(parameter)
        if parameter.name in inside:
            body += protobuf.message(protobuf.TENSOR_RAW_DATA, inside[parameter.name])
        else:
            for key, value in (
                ("location", location),
                ("offset", str(offsets[parameter.name])),
                ("length", str(parameter.bytes)),
            ):
                entry = protobuf.text(_KEY, key) + protobuf.text(_VALUE, value)
                body += protobuf.message(_EXTERNAL_DATA, entry)
            body += protobuf.integer(_DATA_LOCATION, _EXTERNAL)
        encoded += protobuf.message(protobuf.GRAPH_INITIALIZER, body)
    return bytes(encoded)


def _describe(parameter: Parameter) -> bytes:
    """The fields of a TensorProto except its data."""
    return _shape_and_type(parameter.shape, parameter.dtype) + protobuf.text(_NAME, parameter.name)


@lru_cache(1024)  # A large network has thousands of tensors of few shapes.
def _shape_and_type(shape: tuple[int, ...], dtype: DType) -> bytes:
    dims = [protobuf.integer(_DIMS, size) for size in shape]
    return b"".join((*dims, protobuf.integer(_DATA_TYPE, ELEMENT_TYPES[dtype])))


def raw_pieces(parameter: Parameter, tensor: Tensor) -> Iterator[memoryview]:
    """The bytes of a tensor, some at a time."""
    if not hasattr(tensor, "raw"):
        yield _raw(parameter, tensor)
        return
    left = parameter.bytes
    for piece in tensor.raw():
        left -= len(piece)
        yield piece
    if left:
        raise _unlike(parameter, f"{parameter.bytes - left} bytes, not {parameter.bytes}")


def _raw(parameter: Parameter, array: np.ndarray) -> memoryview:
    from resdsl.weights.dtypes import numpy_dtype, raw_bytes  # what is lazy may do without NumPy

    if array.shape != parameter.shape or array.dtype.newbyteorder("=") != numpy_dtype(parameter.dtype):
        raise _unlike(parameter, f"{array.dtype}{list(array.shape)}")
    return raw_bytes(array)


def _unlike(parameter: Parameter, actual: str) -> AssertionError:
    return AssertionError(
        f"{parameter.name} should be {parameter.dtype}{list(parameter.shape)}, and its source returns {actual}"
    )
