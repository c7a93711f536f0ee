"""Graphs as ONNX models with weights, and their results in ONNX and ONNX Runtime."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

import numpy as np
import onnx
import onnxruntime
from onnx import shape_inference

from resdsl.diagnostics import Diagnostics, Source
from resdsl.diagnostics.render import render
from resdsl.elaborate import elaborate, load_program
from resdsl.ir.dims import evaluate
from resdsl.ir.graph import Derived, Graph, Parameter
from resdsl.ir.initializers import Constant, Initializer, VarianceScaling
from resdsl.onnx import emit_to_stream
from resdsl.onnx.names import name_values

Array = np.ndarray


def build(text: str) -> Graph:
    """The graph of a text without errors."""
    diagnostics = Diagnostics()
    graph = elaborate(load_program(Source("random.res", text), diagnostics), diagnostics, model="net")
    assert graph is not None, f"{render(diagnostics.errors)}\n{text}"
    return graph


def tensor(parameter: Parameter) -> Array:
    """Values that depend on the name alone and keep what flows through a network near 1."""
    if isinstance(parameter.source, Derived):
        return parameter.source.function(*map(tensor, parameter.source.operands))
    random = np.random.Generator(np.random.PCG64(crc32(parameter.name.encode())))
    assert isinstance(parameter.source, Initializer)
    match parameter.source:
        case VarianceScaling(fan_in):
            bound = (3 / max(1, fan_in)) ** 0.5
            return random.uniform(-bound, bound, parameter.shape).astype(np.float32)
        case Constant(value):
            return random.uniform(value - 0.5, value + 0.5, parameter.shape).astype(np.float32)


def emitted(graph: Graph, value: Callable[[Parameter], Array] = tensor) -> bytes:
    """The model with a value for each of its weights."""
    stream = io.BytesIO()
    emit_to_stream(graph, stream, ((parameter, value(parameter)) for parameter in graph.parameters.values()))
    return stream.getvalue()


def pixels(graph: Graph, sizes: Mapping[str, int]) -> Array:
    shape = [evaluate(dim, sizes) for dim in graph.input.type.shape]
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def shapes(graph: Graph, sizes: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """The shape of every value by its name in the file, as the graph has it."""
    names = name_values(graph)
    found = {names.of[node.index]: tuple(evaluate(dim, sizes) for dim in node.type.shape) for node in graph.nodes[1:]}
    copies = {output.name: output.node for output in names.copies}
    return found | {
        name: tuple(evaluate(dim, sizes) for dim in graph.nodes[index].type.shape) for name, index in copies.items()
    }


def without_types(data: bytes, sizes: Mapping[str, int] | None = None) -> onnx.ModelProto:
    """The model without the shapes that were written into it; with those of the input for ``sizes``."""
    model = onnx.load_from_string(data)
    del model.graph.value_info[:]
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    for dim in model.graph.input[0].type.tensor_type.shape.dim:
        if sizes is not None and dim.dim_param:
            dim.dim_value = sizes[dim.dim_param]
    return model


def inferred(model: onnx.ModelProto) -> dict[str, tuple[int | None, ...]]:
    """What ONNX's own shape inference, in its strict mode, finds for every value; ``None`` for a symbol."""
    made = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    return {
        value.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim
        )
        for value in (*made.graph.value_info, *made.graph.output)
    }


def session(data: bytes, *, optimized: bool = False) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def every_value(data: bytes, names: Sequence[str]) -> bytes:
    """The same model, all values its outputs."""
    model = without_types(data)
    del model.graph.output[:]
    for name in names:
        model.graph.output.add(name=name).type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    return model.SerializeToString()


def run(data: bytes, x: Array, *, optimized: bool = False) -> dict[str, Array]:
    """All outputs by name."""
    made = session(data, optimized=optimized)
    names = [output.name for output in made.get_outputs()]
    return dict(zip(names, made.run(names, {made.get_inputs()[0].name: x}), strict=True))


def close(one: Array, other: Array) -> bool:
    """Equal but for float32's rounding, against the largest value of the whole tensor."""
    largest = max(1.0, float(np.abs(one).max(initial=0)))
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=2e-4, atol=2e-4 * largest))
