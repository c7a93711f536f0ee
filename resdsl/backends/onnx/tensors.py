"""Weights as ONNX tensors: inside the model, or in a file beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx

from resdsl.backends.onnx import protobuf
from resdsl.backends.onnx.model import ELEMENT_TYPES
from resdsl.ir.graph import Parameter
from resdsl.ir.types import DType

if TYPE_CHECKING:
    import numpy as np

Values = Iterable[tuple[Parameter, "np.ndarray"]]
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


@dataclass(frozen=True, slots=True)
class TensorHead:
    """All of an initializer field up to its bytes: key, length, dims, type, name, and the length of the bytes."""

    parameter: Parameter
    encoded: bytes

    @property
    def length(self) -> int:
        """Bytes of the whole field."""
        return len(self.encoded) + self.parameter.bytes


def tensor_head(parameter: Parameter) -> TensorHead:
    body = _describe(parameter).SerializeToString(deterministic=True)
    body += protobuf.prefix(protobuf.TENSOR_RAW_DATA, parameter.bytes)
    field = protobuf.prefix(protobuf.GRAPH_INITIALIZER, len(body) + parameter.bytes)
    return TensorHead(parameter, field + body)


def raw_bytes(parameter: Parameter, array: np.ndarray) -> memoryview:
    """The bytes of a tensor as ONNX stores them: C order, little endian. No copy where the array is so already."""
    import numpy as np  # noqa: PLC0415

    if array.shape != parameter.shape or array.dtype.name != _NUMPY_NAMES[parameter.dtype]:
        raise AssertionError(
            f"{parameter.name} should be {parameter.dtype}{list(parameter.shape)},"
            f" and its source gives {array.dtype}{list(array.shape)}"
        )
    if sys.byteorder == "big" or not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("<"))
    # As bytes, because bfloat16 is no type that a memoryview knows.
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def _hand_over(
    parameters: Iterable[Parameter], values: Values, take: Callable[[Parameter, memoryview], object]
) -> None:
    """Call ``take`` with each parameter and its bytes. No array is held while the next is made."""
    source = iter(values)
    for parameter in parameters:
        given, array = next(source, (None, None))
        if given is None or array is None or given.name != parameter.name:
            raise AssertionError(f"the tensor of {parameter.name} is due, and {given.name if given else 'none'} comes")
        take(parameter, raw_bytes(parameter, array))
        del array
    if next(source, None) is not None:
        raise AssertionError("there are more tensors than parameters")


@dataclass(frozen=True, slots=True)
class SideFile:
    """What went into a side file: its length, and for each parameter its offset, or its bytes where it stays inside."""

    length: int
    places: tuple[int | bytes, ...]


def write_side_file(parameters: Sequence[Parameter], values: Values, write: Write) -> SideFile:
    """Hand the bytes of every large parameter to ``write``, aligned, in order."""
    padding = memoryview(bytes(ALIGNMENT))
    position = 0
    places: list[int | bytes] = []

    def take(parameter: Parameter, data: memoryview) -> None:
        nonlocal position
        if parameter.bytes < INLINE_BELOW:
            places.append(bytes(data))
            return
        if gap := -position % ALIGNMENT:
            write(padding[:gap])
        places.append(position + gap)
        write(data)
        position += gap + parameter.bytes

    _hand_over(parameters, values, take)
    return SideFile(position, tuple(places))


def place_tensors(parameters: Sequence[Parameter], side: SideFile, location: str, proto: onnx.GraphProto) -> None:
    """Add the parameters to ``proto``, those in the side file as references into the file called ``location``."""
    for parameter, place in zip(parameters, side.places, strict=True):
        tensor = _describe(parameter)
        if isinstance(place, bytes):
            tensor.raw_data = place
        else:
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (("location", location), ("offset", str(place)), ("length", str(parameter.bytes))):
                tensor.external_data.add(key=key, value=value)
        proto.initializer.append(tensor)


def write_inline(heads: Sequence[TensorHead], values: Values, write: Write) -> None:
    """Write the initializer fields, each array straight from where it lies."""
    encoded = {head.parameter.name: head.encoded for head in heads}

    def take(parameter: Parameter, data: memoryview) -> None:
        write(encoded[parameter.name])
        write(data)

    _hand_over([head.parameter for head in heads], values, take)


def _describe(parameter: Parameter) -> onnx.TensorProto:
    return onnx.TensorProto(name=parameter.name, dims=parameter.shape, data_type=ELEMENT_TYPES[parameter.dtype])
