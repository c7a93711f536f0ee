"""Parse an ONNX file into records, without reading the bytes of large tensors and without the onnx library.

The library reads a model whole, weights included, and takes longer to import than a network takes to parse.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from mmap import mmap

from resdsl.gc_pause import collection_paused
from resdsl.importer.records import (
    AttributeValue,
    Element,
    ModelRecord,
    NodeRecord,
    Place,
    Subgraph,
    TensorRecord,
    ValueRecord,
)
from resdsl.protobuf import integer, message, text
from resdsl.untrusted import printable

MOST_NODES = 320_000
MOST_RANK = 32
MOST_TYPED = 1_000_000
"""Elements stored as numbers instead of bytes, in all tensors together: each takes some 30 bytes of memory."""

_SHORT = 1_024
"""Bytes of numbers in a row that are read at once."""

_ZEROS: dict[int, AttributeValue] = {1: 0.0, 2: 0, 3: ""}
"""The value of an attribute that is left out, by its type."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class NotOnnx(Exception):
    """The file is not an ONNX model, is truncated, or is larger than the bounds allow; the text says which."""


Buffer = mmap | bytes


@collection_paused()
def parse_model(data: Buffer) -> ModelRecord:
    """The model that fills ``data``. Raises ``NotOnnx``."""
    try:
        return _Parser(data).model()
    except UnicodeDecodeError:
        raise NotOnnx("a name in it is not UTF-8") from None
    except struct.error:
        raise NotOnnx("it is truncated") from None


def without_weights(data: Buffer, largest: int, inputs: Mapping[str, ValueRecord]) -> bytes:
    """The model without the numbers of initializers of more than ``largest`` bytes, and with other inputs.

    Raises ``NotOnnx``.
    """
    parser = _Parser(data)
    parts: list[bytes] = []
    for field, begin, start, stop in parser.spans(0, len(data)):
        if field != 7:
            parts.append(data[begin:stop])
            continue
        graph: list[bytes] = []
        for inner, inner_begin, inner_start, inner_stop in parser.spans(start, stop):
            if inner == 5 and inner_stop - inner_start > largest:
                spans = parser.spans(inner_start, inner_stop)
                # Dimensions, element type and name.
                kept = [data[one:last] for number, one, _, last in spans if number in (1, 2, 8)]
                graph.append(message(5, b"".join(kept)))
            elif inner == 11 and inputs and (name := parser.name_of_value(inner_start, inner_stop)) in inputs:
                graph.append(message(11, _value_info(inputs[name])))
            else:
                graph.append(data[inner_begin:inner_stop])
        parts.append(message(7, b"".join(graph)))
    return b"".join(parts)


def _value_info(record: ValueRecord) -> bytes:
    dims = (integer(1, size) if isinstance(size, int) else text(2, size or "") for size in record.shape or ())
    shape = b"".join(message(1, dim) for dim in dims)
    return text(1, record.name) + message(2, message(1, integer(1, record.element) + message(2, shape)))


class _Parser:
    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._typed = 0

    def model(self) -> ModelRecord:
        model = ModelRecord()
        has_graph = False
        for field, wire, value, end in self._fields(0, len(self._data)):
            if field == 1 and wire == _VARINT:
                model.ir_version = value
            elif wire != _BYTES:
                continue
            elif field == 2:
                model.producer = self._text(value, end)
            elif field == 3:
                model.producer_version = self._text(value, end)
            elif field == 7:
                has_graph = True
                self._graph(model, value, end)
            elif field == 8:
                domain, version = self._opset(value, end)
                model.opsets[domain] = version
            elif field == 14:
                self._entry(model.metadata, value, end)
            elif field == 25:
                model.functions += 1
        if not model.ir_version or not has_graph:
            raise NotOnnx("it is not an ONNX model")
        return model

    def _graph(self, model: ModelRecord, start: int, end: int) -> None:
        for field, wire, value, stop in self._fields(start, end):
            if wire != _BYTES:
                continue
            if field == 1:
                if len(model.nodes) >= MOST_NODES:
                    raise NotOnnx(f"it has more than {MOST_NODES:,} nodes")
                model.nodes.append(self._node(value, stop))
            elif field == 2:
                model.name = self._text(value, stop)
            elif field == 5:
                tensor = self._tensor(value, stop)
                model.tensors[tensor.name] = tensor
            elif field == 11:
                model.inputs.append(self._value(value, stop))
            elif field == 12:
                model.outputs.append(self._value(value, stop))
            elif field == 13:
                known = self._value(value, stop)
                model.values[known.name] = known
            elif field == 15:
                name = printable(self._sparse_name(value, stop))
                raise NotOnnx(f"its tensor `{name}` is sparse; store it as a dense one")

    def _sparse_name(self, start: int, end: int) -> str:
        """A sparse tensor has the name of its values."""
        for field, wire, value, stop in self._fields(start, end):
            if field == 1 and wire == _BYTES:
                return self._tensor(value, stop).name
        return ""

    def _node(self, start: int, end: int) -> NodeRecord:
        node = NodeRecord("")
        for field, wire, value, stop in self._fields(start, end):
            if wire != _BYTES:
                continue
            if field == 1:
                node.inputs.append(self._text(value, stop))
            elif field == 2:
                node.outputs.append(self._text(value, stop))
            elif field == 3:
                node.name = self._text(value, stop)
            elif field == 4:
                node.type = self._text(value, stop)
            elif field == 5:
                name, attribute = self._attribute(value, stop)
                node.attributes[name] = attribute
            elif field == 7:
                domain = self._text(value, stop)
                node.domain = "" if domain == "ai.onnx" else domain
            elif field == 9:
                self._entry(node.metadata, value, stop)
        return node

    def _attribute(self, start: int, end: int) -> tuple[str, AttributeValue]:
        name = ""
        single: AttributeValue = None
        integers: list[int] = []
        floats: list[float] = []
        kind = 0
        for field, wire, value, stop in self._fields(start, end):
            if field == 1 and wire == _BYTES:
                name = self._text(value, stop)
            elif field == 2 and wire == _FIXED32:
                single = self._float(value)
            elif field == 3 and wire == _VARINT:
                single = _signed(value)
            elif field == 4 and wire == _BYTES:
                content = bytes(self._data[value:stop])
                try:
                    single = content.decode()
                except UnicodeDecodeError:
                    single = content
            elif field == 5 and wire == _BYTES:
                single = self._tensor(value, stop)
            elif field in (6, 11) and wire == _BYTES:
                single = Subgraph(stop - value)
            elif field == 7:
                self._floats(floats, wire, value, stop)
            elif field == 8:
                self._integers(integers, wire, value, stop)
            elif field == 20 and wire == _VARINT:
                kind = value
        if kind == 7 or (integers and single is None):
            return name, tuple(integers)
        if kind == 6 or (floats and single is None):
            return name, tuple(floats)
        if single is None:
            # A field that is 0 may be left out; `type` says which one is meant.
            single = _ZEROS.get(kind)
        return name, single

    def _tensor(self, start: int, end: int) -> TensorRecord:
        name, element, location = "", 0, 0
        dims: list[int] = []
        numbers: list[float] = []
        external: dict[str, str] = {}
        raw: Place | None = None
        packed: Place | None = None
        for field, wire, value, stop in self._fields(start, end):
            if field == 1:
                self._integers(dims, wire, value, stop)
            elif field == 2 and wire == _VARINT:
                element = value
            elif field == 4 and wire == _BYTES and packed is None and not numbers and stop - value > _SHORT:
                # Numbers in a row have the bytes of `raw_data`.
                packed = Place(value, stop - value)
            elif field == 4:
                self._count(stop - value if wire == _BYTES else 4, 4)
                self._floats(numbers, wire, value, stop)
            elif field in (5, 7):
                self._count(stop - value if wire == _BYTES else 1, 1)
                integers: list[int] = []
                self._integers(integers, wire, value, stop)
                numbers += integers
            elif field == 10 and wire == _BYTES:
                self._count(stop - value, 8)
                numbers += self._unpacked("d", 8, value, stop)
            elif field == 8 and wire == _BYTES:
                name = self._text(value, stop)
            elif field == 9 and wire == _BYTES:
                raw = Place(value, stop - value)
            elif field == 13 and wire == _BYTES:
                self._entry(external, value, stop)
            elif field == 14 and wire == _VARINT:
                location = value
        if len(dims) > MOST_RANK or any(not 0 <= dim < 1 << 40 for dim in dims):
            raise NotOnnx("the shape of a tensor in it is not valid")
        if packed is not None and (numbers or element != Element.FLOAT):
            self._count(packed.length, 4)
            numbers = [*self._unpacked("f", 4, packed.start, packed.start + packed.length), *numbers]
        elif packed is not None and raw is None:
            raw = packed
        return TensorRecord(name, element, tuple(dims), raw, tuple(numbers), external if location == 1 else None)

    def name_of_value(self, start: int, end: int) -> str:
        return self._value(start, end).name

    def _value(self, start: int, end: int) -> ValueRecord:
        name, element = "", 0
        shape: tuple[int | str | None, ...] | None = None
        for field, wire, value, stop in self._fields(start, end):
            if wire != _BYTES:
                continue
            if field == 1:
                name = self._text(value, stop)
            elif field == 2:
                for kind, inner_wire, inner, inner_stop in self._fields(value, stop):
                    # TypeProto.tensor_type; sequences, maps and optional values have no shape here.
                    if kind == 1 and inner_wire == _BYTES:
                        element, shape = self._tensor_type(inner, inner_stop)
        return ValueRecord(name, element, shape)

    def _tensor_type(self, start: int, end: int) -> tuple[int, tuple[int | str | None, ...] | None]:
        element = 0
        shape: tuple[int | str | None, ...] | None = None
        for field, wire, value, stop in self._fields(start, end):
            if field == 1 and wire == _VARINT:
                element = value
            elif field == 2 and wire == _BYTES:
                shape = tuple(
                    self._dimension(inner, inner_stop)
                    for kind, inner_wire, inner, inner_stop in self._fields(value, stop)
                    if kind == 1 and inner_wire == _BYTES
                )
                if len(shape) > MOST_RANK:
                    raise NotOnnx("the shape of a value in it is not valid")
        return element, shape

    def _dimension(self, start: int, end: int) -> int | str | None:
        for field, wire, value, stop in self._fields(start, end):
            if field == 1 and wire == _VARINT:
                size = _signed(value)
                return size if 0 <= size < 1 << 40 else None
            if field == 2 and wire == _BYTES:
                return self._text(value, stop) or None
        return None

    def _opset(self, start: int, end: int) -> tuple[str, int]:
        domain, version = "", 0
        for field, wire, value, stop in self._fields(start, end):
            if field == 1 and wire == _BYTES:
                domain = self._text(value, stop)
            elif field == 2 and wire == _VARINT:
                version = _signed(value)
        return "" if domain == "ai.onnx" else domain, version

    def _entry(self, into: dict[str, str], start: int, end: int) -> None:
        texts = {1: "", 2: ""}
        for field, wire, value, stop in self._fields(start, end):
            if wire == _BYTES and field in texts:
                texts[field] = self._text(value, stop)
        into[texts[1]] = texts[2]

    def _fields(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """The fields of a message: number, wire type, then a value and 0, or where the content begins and ends."""
        data = self._data
        at = start
        while at < end:
            # Nearly all keys and lengths are one byte.
            key = data[at]
            if key < 0x80:
                at += 1
            else:
                key, at = self._varint(at, end)
            field, wire = key >> 3, key & 7
            if wire == _BYTES:
                length = data[at] if at < end else 0x80
                if length < 0x80:
                    at += 1
                else:
                    length, at = self._varint(at, end)
                stop = at + length
                if stop > end:
                    raise NotOnnx("it is truncated")
                yield field, wire, at, stop
                at = stop
            elif wire == _VARINT:
                value = data[at] if at < end else 0x80
                if value < 0x80:
                    at += 1
                else:
                    value, at = self._varint(at, end)
                yield field, wire, value, 0
            elif wire in (_FIXED32, _FIXED64):
                size = 4 if wire == _FIXED32 else 8
                if at + size > end:
                    raise NotOnnx("it is truncated")
                yield field, wire, at, at + size
                at += size
            else:
                raise NotOnnx("it is not an ONNX model")

    def spans(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """The fields of a message: number, where it begins, where its content begins, and where both end."""
        at = start
        while at < end:
            begin = at
            key, at = self._varint(at, end)
            wire = key & 7
            if wire == _BYTES:
                length, at = self._varint(at, end)
                stop = at + length
            elif wire == _VARINT:
                _, stop = self._varint(at, end)
            else:
                stop = at + {_FIXED32: 4, _FIXED64: 8}.get(wire, end)
            if stop > end:
                raise NotOnnx("it is truncated")
            yield key >> 3, begin, at, stop
            at = stop

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        data = self._data
        value = shift = 0
        while at < end and shift < 70:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
            shift += 7
        raise NotOnnx("it is truncated" if at >= end else "it is not an ONNX model")

    def _text(self, start: int, end: int) -> str:
        return self._data[start:end].decode()

    def _float(self, start: int) -> float:
        number: float = struct.unpack("<f", self._data[start : start + 4])[0]
        return number

    def _floats(self, into: list[float], wire: int, start: int, end: int) -> None:
        if wire == _FIXED32:
            into.append(self._float(start))
        elif wire == _BYTES:
            into += self._unpacked("f", 4, start, end)

    def _unpacked(self, letter: str, size: int, start: int, end: int) -> tuple[float, ...]:
        count = (end - start) // size
        return struct.unpack(f"<{count}{letter}", self._data[start : start + count * size])

    def _integers(self, into: list[int], wire: int, start: int, end: int) -> None:
        if wire == _VARINT:
            into.append(_signed(start))
        elif wire == _BYTES:
            while start < end:
                value, start = self._varint(start, end)
                into.append(_signed(value))

    def _count(self, bytes: int, size: int) -> None:
        self._typed += bytes // size
        if self._typed > MOST_TYPED:
            raise NotOnnx(f"more than {MOST_TYPED:,} numbers in it are stored one by one instead of as bytes")


def _signed(value: int) -> int:
    """A varint as a 64-bit integer in two's complement."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value
