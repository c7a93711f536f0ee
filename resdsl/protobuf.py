"""Protobuf's wire format, as far as models need it: encode fields, and scan a file for one of them.

A message is a sequence of fields in any order: a key (field number and wire type), then the value; strings, bytes and
messages are a length and that many bytes (https://protobuf.dev/programming-guides/encoding/). So a message can be
written to a file in pieces where the lengths are known in advance, and what thousands of messages have in common is
encoded once. Fields are written in the order of their numbers, as the protobuf library does.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5
_VARINT_BITS = 70

# Field numbers, from onnx.proto.
MODEL_GRAPH = 7  # ModelProto.graph
MODEL_METADATA = 14  # ModelProto.metadata_props
GRAPH_INITIALIZER = 5  # GraphProto.initializer
TENSOR_RAW_DATA = 9  # TensorProto.raw_data

MESSAGE_LIMIT = 2**31 - 1
"""The most bytes that the protobuf library reads as one message."""


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit marks that more follow."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


@lru_cache(4096)  # Most strings of a model are short, and in few fields.
def prefix(field: int, length: int) -> bytes:
    """The key and length that precede the ``length`` bytes of a string, bytes or message field."""
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(length)


def message(field: int, body: bytes) -> bytes:
    """A field that is a message, or bytes."""
    return prefix(field, len(body)) + body


def text(field: int, value: str) -> bytes:
    """A field that is a string."""
    encoded = value.encode()
    return prefix(field, len(encoded)) + encoded


def integer(field: int, value: int) -> bytes:
    """A field that is an integer; a negative one takes ten bytes, as 64 bits in two's complement."""
    return varint(field << 3 | _VARINT) + varint(value & 0xFFFF_FFFF_FFFF_FFFF)


def number(field: int, value: float) -> bytes:
    """A field that is a 32-bit float."""
    return varint(field << 3 | _FIXED32) + struct.pack("<f", value)


def values_of(stream: BinaryIO, field: int, *, at_most: int) -> Iterator[bytes]:
    """The contents of each string, bytes or message in ``field`` of the message that fills ``stream``.

    Other fields, and values of more than ``at_most`` bytes, are skipped without reading them: scanning a model does
    not read its weights. Raises ``ValueError`` for a stream that is not protobuf.
    """
    while (key := _read_varint(stream)) is not None:
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            _read_varint(stream)
        elif wire in (_FIXED64, _FIXED32):
            stream.seek(8 if wire == _FIXED64 else 4, os.SEEK_CUR)
        elif wire == _LENGTH_DELIMITED:
            length = _read_varint(stream) or 0
            if length > MESSAGE_LIMIT:
                raise ValueError("not protobuf")
            if number == field and length <= at_most:
                yield stream.read(length)
            else:
                stream.seek(length, os.SEEK_CUR)
        else:
            raise ValueError("not protobuf")


def string_entry(message: bytes) -> tuple[str, str]:
    """Key and value of a ``StringStringEntryProto``. Raises ``ValueError`` for another message."""
    contents = [next(values_of(io.BytesIO(message), field, at_most=len(message)), b"") for field in (1, 2)]
    key, value = (content.decode(errors="replace") for content in contents)
    return key, value


def _read_varint(stream: BinaryIO) -> int | None:
    """The next varint; ``None`` at the end of the stream."""
    value = 0
    for shift in range(0, _VARINT_BITS, 7):
        byte = stream.read(1)
        if not byte:
            if shift:
                raise ValueError("truncated")
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("not protobuf")
