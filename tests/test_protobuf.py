"""The pieces of the wire format, against protobuf's own encoder."""

from __future__ import annotations

import onnx
import pytest

from resdsl import protobuf
from resdsl.ir.types import DType
from resdsl.onnx.nodes import ELEMENT_TYPES


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


@pytest.mark.parametrize("value", [0, 5, 2**40, -1, -(2**63)])
def test_integers_are_protobufs(value: int) -> None:
    assert onnx.AttributeProto(i=value).SerializeToString() == protobuf.integer(3, value)


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-5, -3.4e38])
def test_numbers_are_protobufs(value: float) -> None:
    assert onnx.AttributeProto(f=value).SerializeToString() == protobuf.number(2, value)


@pytest.mark.parametrize("value", ["", "layer1.0", "größe", "x" * 200])
def test_texts_are_protobufs(value: str) -> None:
    assert onnx.AttributeProto(name=value).SerializeToString() == protobuf.text(1, value)


def test_element_types_are_those_of_the_schema() -> None:
    names = {DType.F32: "FLOAT", DType.F16: "FLOAT16", DType.BF16: "BFLOAT16", DType.U8: "UINT8", DType.I64: "INT64"}
    assert {dtype: onnx.TensorProto.DataType.Value(name) for dtype, name in names.items()} == ELEMENT_TYPES
