"""The results of a graph: by ONNX Runtime without optimisation, and by the oracles of operators."""

from __future__ import annotations

import io

import numpy as np
import onnxruntime

from resdsl.ir.graph import Graph
from resdsl.ir.operator import OPSET
from resdsl.ir.print import print_graph
from resdsl.ir.verify import verify
from resdsl.onnx import emit_to_stream

from ..building import tensor, tensors
from ..ops.harness import answers

Values = dict[str, np.ndarray]


def run(graph: Graph, x: np.ndarray, opset: int = OPSET) -> Values:
    """Every output by its name."""
    stream = io.BytesIO()
    emit_to_stream(graph, stream, tensors(graph), opset=opset)
    options = onnxruntime.SessionOptions()
    # The runtime has passes of its own: what is compared must be our graph.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(stream.getvalue(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {session.get_inputs()[0].name: x}), strict=True))


def defined(graph: Graph, x: np.ndarray) -> Values:
    """Every output as the definitions of the operators give it, in float64."""
    weights = {name: tensor(parameter) for name, parameter in graph.parameters.items()}
    found = answers(graph, weights, x)
    return {output.name: found[output.node].value for output in graph.outputs}


def some(*shape: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(7)).standard_normal(shape).astype(np.float32)


def assert_computes_the_same(before: Graph, after: Graph, x: np.ndarray) -> None:
    """ONNX Runtime makes of ``after`` what the definitions make of ``before``."""
    found, expected = run(after, x), defined(before, x)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5 * np.abs(value).max())


def text(graph: Graph) -> str:
    verify(graph)
    return print_graph(graph)


def body(graph: Graph) -> list[str]:
    """The lines of the nodes, without what is known: the graph's first and last lines and its outputs."""
    return [line.strip() for line in text(graph).splitlines()[1:-1] if not line.startswith("  output")]
