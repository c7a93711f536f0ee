"""The weights in an ONNX model: its initialisers, in the model or in external files.

Only floats with a name that an exporter did not make up are weights here (``onnx::Conv_497`` has lost its name). In
models of resdsl, names with ``:`` (``stem:pads``) are constants; TensorFlow's exporters put one into every name.

A linear layer is a ``Gemm`` with a matrix ``[out, in]``, as in PyTorch, or a ``MatMul`` with one of ``[in, out]``. The
latter is read transposed, so that every linear weight has the layout of PyTorch.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from resdsl.diagnostics import catalogue
from resdsl.untrusted import bounded_int, printable_shape
from resdsl.weights.checkpoint import Checkpoint, CheckpointError, TensorInfo, check_shape, neighbour
from resdsl.weights.dtypes import as_weights, stored_dtype

_DTYPES: dict[int, str] = {
    onnx.TensorProto.DOUBLE: "float64",
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.BFLOAT16: "bfloat16",
}


class OnnxCheckpoint(Checkpoint):
    """A parsed model; its weights are converted, or read from external files, one at a time."""

    def __init__(self, path: Path, mapped: mmap.mmap) -> None:
        super().__init__(path)
        model = onnx.ModelProto()
        try:
            model.ParseFromString(mapped[:])
        except DecodeError as error:
            raise CheckpointError.damaged(self.name, "it cannot be read as an ONNX model") from error
        if not model.ir_version or not model.HasField("graph"):
            raise CheckpointError.of(
                catalogue.NOT_A_CHECKPOINT,
                f"`{self.name}` is neither an ONNX model nor another supported file of weights",
                helps=("pass a `.safetensors`, `.pth`, `.npz` or `.onnx` file",),
            )
        self.metadata = {self._text(entry.key): self._text(entry.value) for entry in model.metadata_props}
        floats = [proto for proto in model.graph.initializer if proto.data_type in _DTYPES]
        is_ours = any(key.startswith("resdsl.") for key in self.metadata)
        self.unnamed = tuple(name for proto in floats if (name := self._text(proto.name)).startswith("onnx::"))
        self._protos = {
            proto.name: proto
            for proto in floats
            if not proto.name.startswith("onnx::") and not (is_ours and ":" in proto.name)
        }
        self.transposed = _transposed(model.graph) & self._protos.keys()
        if not self._protos:
            raise CheckpointError.of(
                catalogue.NOT_A_CHECKPOINT,
                f"none of the {len(model.graph.initializer)} initialisers of `{self.name}` has the name of a weight",
                helps=(
                    "exporters rename and fold weights: export without optimisation, or use the original checkpoint",
                ),
            )
        self.tensors = {name: self._checked(proto) for name, proto in self._protos.items()}

    def read(self, key: str) -> np.ndarray:
        info, proto = self.tensors[key], self._protos[key]
        dtype = stored_dtype(info, name=self.name, key=key)
        if proto.data_location == onnx.TensorProto.EXTERNAL:
            path, offset = self._external(proto, dtype, info.count)
            flat = np.fromfile(path, dtype, info.count, offset=offset)
        elif proto.HasField("raw_data"):
            whole = len(proto.raw_data) // dtype.itemsize
            flat = np.frombuffer(proto.raw_data, dtype, whole)
        else:
            flat = _typed(proto, dtype)
        if flat.size != info.count:
            raise CheckpointError.damaged(
                self.name,
                f"`{key}` has {flat.size:,} elements, and its shape {printable_shape(info.shape)} takes {info.count:,}",
            )
        if key in self.transposed:
            return as_weights(flat.reshape(info.shape[::-1]).T, info.dtype)
        return as_weights(flat.reshape(info.shape), info.dtype)

    def pieces(self, key: str, count: int) -> Iterator[np.ndarray]:
        info, proto = self.tensors[key], self._protos[key]
        if proto.data_location != onnx.TensorProto.EXTERNAL or key in self.transposed:
            yield from super().pieces(key, count)
            return
        dtype = stored_dtype(info, name=self.name, key=key)
        path, offset = self._external(proto, dtype, info.count)
        for done in range(0, info.count, count):
            here = min(count, info.count - done)
            stored = np.fromfile(path, dtype, here, offset=offset + done * dtype.itemsize)
            if stored.size < here:
                raise CheckpointError.damaged(self.name, f"`{path.name}` became shorter while `{key}` was read")
            yield as_weights(stored, info.dtype)

    def close(self) -> None:
        self._protos = {}

    def _text(self, value: str | bytes) -> str:
        # The library returns bytes for a string that is not UTF-8.
        if isinstance(value, bytes):
            raise CheckpointError.damaged(self.name, f"a name in it is not UTF-8: {value[:40]!r}")
        return value

    def _checked(self, proto: onnx.TensorProto) -> TensorInfo:
        shape = tuple(proto.dims)
        check_shape(shape, name=self.name, key=proto.name)
        return TensorInfo(shape[::-1] if proto.name in self.transposed else shape, _DTYPES[proto.data_type])

    def _external(self, proto: onnx.TensorProto, dtype: np.dtype, count: int) -> tuple[Path, int]:
        """The external file that has the elements, and the offset of the first."""
        entries = {self._text(entry.key): self._text(entry.value) for entry in proto.external_data}
        # No links: the bytes of any file that one points to would become weights.
        path = neighbour(self.path.parent, entries.get("location", ""), name=self.name, links=False)
        offset = bounded_int(entries.get("offset", "0"))
        length = bounded_int(entries.get("length", str(count * dtype.itemsize)))
        if offset is None or length is None:
            raise CheckpointError.damaged(
                self.name, f"`{proto.name:.80}` has an offset or a length that is not an integer of 64 bits"
            )
        size = path.stat().st_size
        if length != count * dtype.itemsize or offset + length > size:
            raise CheckpointError.damaged(
                self.name,
                f"`{proto.name}` should be {count * dtype.itemsize:,} bytes from byte {offset:,} of"
                f" `{path.name}`, which has {size:,}",
            )
        return path, offset


def _transposed(graph: onnx.GraphProto) -> frozenset[str]:
    """The initialisers that are only the ``[in, out]`` matrices of linear layers."""
    matrices = {proto.name for proto in graph.initializer if len(proto.dims) == 2}
    transposed: set[str] = set()
    others: set[str] = set()
    for node in graph.node:
        is_matmul = node.op_type == "MatMul"
        is_gemm = node.op_type == "Gemm" and not any(one.name == "transB" and one.i for one in node.attribute)
        for position, name in enumerate(node.input):
            if name in matrices:
                (transposed if position == 1 and (is_matmul or is_gemm) else others).add(name)
    return frozenset(transposed - others)


def _typed(proto: onnx.TensorProto, dtype: np.dtype) -> np.ndarray:
    """Elements stored as numbers instead of raw bytes; 16-bit floats are stored as integers with their bits."""
    match proto.data_type:
        case onnx.TensorProto.FLOAT:
            return np.array(proto.float_data, dtype)
        case onnx.TensorProto.DOUBLE:
            return np.array(proto.double_data, dtype)
    return np.array(proto.int32_data, np.int32).astype(np.uint16).view(dtype)
