"""The three lines of protobuf's wire format that streaming needs.

A message is its fields one after another, in any order: a key (field number and wire type), then the value; strings,
bytes and messages are a length and that many bytes (https://protobuf.dev/programming-guides/encoding/). So a message
can be written to a file piece by piece where the lengths are known in advance.
"""

from __future__ import annotations

_LENGTH_DELIMITED = 2

# Field numbers, from onnx.proto.
MODEL_GRAPH = 7  # ModelProto.graph
GRAPH_INITIALIZER = 5  # GraphProto.initializer
TENSOR_RAW_DATA = 9  # TensorProto.raw_data

MESSAGE_LIMIT = 2**31 - 1
"""Protobuf reads no message of more bytes than this."""


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the top bit says that more follow."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def prefix(field: int, length: int) -> bytes:
    """What stands before the ``length`` bytes of a string, bytes or message field."""
    return varint(field << 3 | _LENGTH_DELIMITED) + varint(length)
