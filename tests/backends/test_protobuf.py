"""The pieces of the wire format, against protobuf's own encoder."""

from __future__ import annotations

import onnx
import pytest

from resdsl.backends.onnx import protobuf


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**14 - 1, 2**14, 2**31 - 1, 2**40])
def test_varint_is_protobufs(value: int) -> None:
    # Field 1 of ModelProto, ir_version, is an integer: its key is one byte.
    assert onnx.ModelProto(ir_version=value).SerializeToString() == b"\x08" + protobuf.varint(value)


@pytest.mark.parametrize("length", [0, 1, 127, 128, 70_000])
def test_prefix_is_protobufs(length: int) -> None:
    data = bytes(length)
    encoded = onnx.TensorProto(raw_data=data).SerializeToString()
    assert encoded == protobuf.prefix(protobuf.TENSOR_RAW_DATA, length) + data


def test_field_numbers_are_those_of_the_schema() -> None:
    numbers = {
        (onnx.ModelProto, "graph"): protobuf.MODEL_GRAPH,
        (onnx.GraphProto, "initializer"): protobuf.GRAPH_INITIALIZER,
        (onnx.TensorProto, "raw_data"): protobuf.TENSOR_RAW_DATA,
    }
    for (message, field), number in numbers.items():
        assert message.DESCRIPTOR.fields_by_name[field].number == number
