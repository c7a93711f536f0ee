"""A half-precision ONNX model as the same model in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from mmap import mmap

import numpy as np
import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]
from onnx import numpy_helper

_FLOAT = onnx.TensorProto.FLOAT
_HALF = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)


def in_float32(model: bytes | mmap, read: Callable[[str], np.ndarray]) -> bytes:
    """The ONNX file ``model`` with every ``float16`` and ``bfloat16`` value, weight and cast made ``float32``.

    ``read`` gives the numbers of an initializer that is stored in another file. Tensors without numbers stay without.
    Raises ``ValueError`` for what is no ONNX file, or would be one of more than 2 GB.
    """
    try:
        proto = onnx.ModelProto.FromString(bytes(model))
    except DecodeError as error:
        raise ValueError(str(error)) from None
    for tensor in proto.graph.initializer:
        if tensor.external_data:
            values = read(tensor.name)
            half = tensor.data_type in _HALF
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32) if half else values, tensor.name))
        else:
            _convert(tensor)
    for node in _nodes(proto):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                _convert(attribute.t)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i in _HALF:
                attribute.i = _FLOAT
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        if value.type.tensor_type.elem_type in _HALF:
            value.type.tensor_type.elem_type = _FLOAT
    try:
        content: bytes = proto.SerializeToString()
    except EncodeError as error:
        raise ValueError(str(error)) from None
    return content


def _nodes(proto: onnx.ModelProto) -> Iterable[onnx.NodeProto]:
    yield from proto.graph.node
    for function in proto.functions:
        yield from function.node


def _convert(tensor: onnx.TensorProto) -> None:
    if tensor.data_type not in _HALF:
        return
    if not tensor.raw_data and not tensor.int32_data:
        tensor.data_type = _FLOAT
        return
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))
