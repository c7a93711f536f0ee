"""The part of protobuf's wire format that writing a model needs.

A message is its fields one after another, in any order: a key (field number and wire type), then the value; strings,
bytes and messages are a length and that many bytes (https://protobuf.dev/programming-guides/encoding/). So a message
can be written to a file piece by piece where the lengths are known in advance, and what thousands of messages have in
common is encoded once. Fields are written in the order of their numbers, as the library does.
"""

from __future__ import annotations

import struct
from functools import lru_cache

_VARINT, _LENGTH_DELIMITED, _FIXED32 = 0, 2, 5

# Field numbers, from onnx.proto.
MODEL_GRAPH = 7  # ModelProto.graph
GRAPH_INITIALIZER = 5  # GraphProto.initializer
TENSOR_RAW_DATA = 9  # TensorProto.raw_data

MESSAGE_LIMIT = 2**31 - 1
"""The largest message, in bytes, that protobuf reads."""


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit is set if more follow."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


@lru_cache(4096)  # Most strings of a model are short, and in few fields.
def prefix(field: int, length: int) -> bytes:
    """The bytes before the ``length`` bytes of a string, bytes or message field."""
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
