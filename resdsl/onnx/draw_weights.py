"""Numbers for the weights of an ONNX file that was stored without them."""

from __future__ import annotations

import zlib
from math import prod
from mmap import mmap

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from resdsl.untrusted import MOST_INT

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)
_MOST_ELEMENTS = 1 << 28
"""Elements that are drawn: 1 GiB of float32, as an ONNX file holds 2 GB at most."""


def draw_weights(model: bytes | mmap) -> bytes:
    """The ONNX file ``model`` with numbers for each floating-point initializer that has none.

    They depend on the name of the tensor alone. Norms get scales from 0.5 to 0.9 and variances from 0.5 to 1.5, other
    vectors a tenth of a standard normal distribution, other tensors one of variance 2 / fan-in (He et al. 2015).
    Raises ``ValueError`` for what is no ONNX file, and for tensors that no machine holds.
    """
    try:
        proto = onnx.ModelProto.FromString(bytes(model))
    except DecodeError as error:
        raise ValueError(str(error)) from None
    scales, variances, transposed = set(), set(), set()
    for node in proto.graph.node:
        if node.op_type == "BatchNormalization":
            scales.update(node.input[1:2])
            variances.update(node.input[4:5])
        elif node.op_type == "MatMul" or (
            node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute)
        ):
            transposed.update(node.input[1:2])
    empty = [tensor for tensor in proto.graph.initializer if _is_empty(tensor)]
    if sum(prod(tensor.dims) for tensor in empty) > _MOST_ELEMENTS or any(
        not 0 < size <= MOST_INT for tensor in empty for size in tensor.dims
    ):
        raise ValueError("its weights are too large to draw numbers for them")
    for tensor in empty:
        shape = tuple(tensor.dims)
        random = np.random.Generator(np.random.PCG64(zlib.crc32(tensor.name.encode())))
        values: npt.NDArray[np.floating]
        if tensor.name in scales:
            values = random.uniform(0.5, 0.9, shape)
        elif tensor.name in variances:
            values = random.uniform(0.5, 1.5, shape)
        elif len(shape) < 2:
            values = 0.1 * random.standard_normal(shape)
        else:
            fan_in = shape[0] if tensor.name in transposed else prod(shape[1:])
            values = np.sqrt(2.0 / fan_in) * random.standard_normal(shape)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        tensor.raw_data = values.astype(dtype).tobytes()
    content: bytes = proto.SerializeToString()
    return content


def _is_empty(tensor: onnx.TensorProto) -> bool:
    if tensor.data_type not in _FLOATS or tensor.external_data or 0 in tensor.dims:
        return False
    return not (len(tensor.raw_data) or len(tensor.float_data) or len(tensor.double_data) or len(tensor.int32_data))
