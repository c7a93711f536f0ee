"""Examples of operators as graphs, and graphs as ONNX models and as answers of the oracles.

The models are built here from the operators' lowerings, and not by the back end, so that what fails is an operator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import elaborate, load_program
from resdsl.ir.graph import Graph, Node
from resdsl.ir.operator import OPSET, Lowering, Operator, Ref
from resdsl.ops import joins, operators

from .oracles import ORACLES, Answer, Array


def name_of(operator: Operator) -> str:
    """What the language calls an operator or join."""
    return operator.name or getattr(operator, "join", "")


def every_operator() -> dict[str, type[Operator]]:
    return {**operators(), **joins()}


def read(text: str, shape: Sequence[int | str]) -> tuple[Graph | None, Diagnostics]:
    """A statement applied to an input of a shape, through the front end."""
    dims = ", ".join(str(dim) for dim in shape)
    diagnostics = Diagnostics()
    source = Source("example.res", f"model example {{\n  input x: f32[{dims}]\n  {text}\n  output y\n}}\n")
    return elaborate(load_program(source, diagnostics), diagnostics), diagnostics


def graph_of(text: str, shape: Sequence[int | str]) -> Graph:
    graph, diagnostics = read(text, shape)
    assert graph is not None, [found.message for found in diagnostics]
    return graph


def weights_of(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """Random tensors for a graph, of the precision that the model has."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, parameter in sorted(graph.parameters.items()):
        value = rng.standard_normal(parameter.shape)
        # A variance is not negative.
        made[name] = (np.abs(value) if name.endswith("running_var") else value).astype(np.float32)
    return made


def pixels(shape: Sequence[int], seed: int = 1) -> Array:
    """Random numbers wide enough to reach both ends of every activation."""
    return (4 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def to_onnx(graph: Graph, weights: Mapping[str, Array], opset: int = OPSET) -> onnx.ModelProto:
    nodes: list[onnx.NodeProto] = []
    tensors = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    for node in graph.nodes[1:]:
        lowering = Lowering(graph.input_types(node), node.type)
        node.operator.lower(lowering)
        for index, constant in enumerate(lowering.constants):
            tensors.append(numpy_helper.from_array(constant, f"{node.index}/constant{index}"))
        last = len(lowering.prims) - 1
        for index, prim in enumerate(lowering.prims):
            inputs = ["" if ref is None else _value(ref, node, last) for ref in prim.inputs]
            output = _value(Ref("prim", index), node, last)
            nodes.append(helper.make_node(prim.type, inputs, [output], **prim.attributes))
    shape = [dim if isinstance(dim, int) else str(dim) for dim in graph.input.type.shape]
    result = graph.nodes[-1]
    # The output's sizes are left open, for ONNX to find.
    output = helper.make_tensor_value_info(f"value{result.index}", onnx.TensorProto.FLOAT, [None] * result.type.rank)
    made = helper.make_graph(
        nodes,
        "example",
        [helper.make_tensor_value_info("value0", onnx.TensorProto.FLOAT, shape)],
        [output],
        tensors,
    )
    # An IR version that ONNX Runtime 1.24 reads; newer ones add nothing that is used here.
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def _value(ref: Ref, node: Node, last: int) -> str:
    if ref.kind == "input":
        return f"value{node.inputs[ref.index]}"
    if ref.kind == "parameter":
        return f"{node.path}.{ref.name}"
    if ref.kind == "constant":
        return f"{node.index}/constant{ref.index}"
    return f"value{node.index}" if ref.index == last else f"{node.index}/prim{ref.index}"


def run(model: onnx.ModelProto, x: Array, *, optimized: bool = False) -> Array:
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimized else levels.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"value0": x})
    return y


def answers(graph: Graph, weights: Mapping[str, Array], x: Array) -> list[Answer]:
    """What the oracles say for every node."""
    found = [Answer(x.astype(np.float64))]
    for node in graph.nodes[1:]:
        own = {
            name.removeprefix(f"{node.path}."): weights[name].astype(np.float64)
            for name in (parameter.name for parameter in graph.parameters_of(node))
        }
        inputs = [found[index].value for index in node.inputs]
        found.append(ORACLES[name_of(node.operator)](node.operator, inputs, own))
    return found
