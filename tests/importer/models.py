"""Small ONNX models for the tests of the importer, and the comparison of what is read with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, parser

from resdsl.importer.network import Imported, read_network
from resdsl.importer.tensors import OnnxFile
from resdsl.onnx.emit import emit
from resdsl.ops.opaque import Opaque
from resdsl.weights.values import ParameterTensor

Array = np.ndarray
Values = Mapping[str, "Array | tuple[int, ...] | list[int] | float | int"]


@dataclass(frozen=True)
class Model:
    """Nodes in ONNX's own text form, from ``x`` to ``y``.

    ``weights`` are tensors of random numbers by shape, ``constants`` known ones. Where ``in_nodes``, constants are
    ``Constant`` nodes, as PyTorch's older exporter leaves them, and otherwise initializers.
    """

    body: str
    shape: tuple[int | str, ...] = ("N", 8, 6, 4)
    weights: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    constants: Values = field(default_factory=dict)
    opset: int = 18
    in_nodes: bool = False

    def proto(self) -> onnx.ModelProto:
        sizes = ", ".join(str(size) for size in self.shape)
        graph = parser.parse_graph(f"net (float[{sizes}] x) => (y) {{ {self.body} }}")
        graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
        tensors = [numpy_helper.from_array(random(name, shape), name) for name, shape in self.weights.items()]
        known = [numpy_helper.from_array(array_of(value), name) for name, value in self.constants.items()]
        if self.in_nodes:
            nodes = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in known]
            nodes += list(graph.node)
            del graph.node[:]
            graph.node.extend(nodes)
        else:
            tensors += known
        graph.initializer.extend(tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model)

    def input(self) -> Array:
        sizes = [size if isinstance(size, int) else 3 for size in self.shape]
        return random("x", sizes) * 2


def random(name: str, shape: tuple[int, ...] | list[int]) -> Array:
    """Numbers that depend on the name alone; variances are positive."""
    generator = np.random.default_rng(sum(name.encode()))
    if "var" in name:
        return generator.uniform(0.5, 1.5, shape).astype(np.float32)
    return generator.standard_normal(shape).astype(np.float32)


def array_of(value: Array | tuple[int, ...] | list[int] | float) -> Array:
    """Tuples and lists of integers are shapes and axes; single numbers are scalars."""
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, float):
        return np.array(value, np.float32)
    return np.array(value, np.int64)


def read_model(model: onnx.ModelProto, folder: Path) -> Imported:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return read_network(OnnxFile.open(path))


def operators(network: Imported) -> list[str]:
    """The operators in order, as the language calls them; the type of an opaque one in brackets."""
    names = []
    for node in network.graph.nodes[1:]:
        operator = node.operator
        opaque = operator.type if isinstance(operator, Opaque) else ""
        names.append(f"[{opaque}]" if opaque else operator.name or getattr(operator, "join", ""))
    return names


def run(model: bytes, x: Array) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # The original must not be computed by kernels that round otherwise.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})


def deviation(network: Imported, original: bytes, x: Array, folder: Path) -> float:
    """The largest difference of an output, relative to its largest element where that is above 1."""
    assert not network.opaque
    written = folder / "written.onnx"
    parameters = network.graph.parameters.values()
    emit(network.graph, written, [(parameter, ParameterTensor(parameter)) for parameter in parameters])
    turned = np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if network.channels_last_input else x
    pairs = list(zip(run(original, x), run(written.read_bytes(), turned), strict=True))
    assert all(wanted.shape == found.shape for wanted, found in pairs)
    return max(float(np.abs(w - f).max() / max(1.0, np.abs(w).max())) for w, f in pairs)
