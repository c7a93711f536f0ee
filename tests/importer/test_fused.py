"""Files that ONNX Runtime has optimised: what it fused is read as the operators that it fused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from resdsl.importer.network import read_network
from resdsl.importer.tensors import OnnxFile

from .models import Model, deviation, operators, random, read_model

CONV = "c = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x, w, b)"
WEIGHTS = {"w": (8, 8, 3, 3), "b": (8,)}

FUSED = {
    "Relu": ("FusedConv", ["conv", "relu"], Model(f"{CONV} y = Relu(c)", weights=WEIGHTS)),
    "Clip": (
        "FusedConv",
        ["conv", "relu6"],
        Model(f"{CONV} y = Clip(c, low, high)", weights=WEIGHTS, constants={"low": 0.0, "high": 6.0}),
    ),
    "LeakyRelu": (
        "FusedConv",
        ["conv", "leaky_relu"],
        Model(f"{CONV} y = LeakyRelu<alpha = 0.2>(c)", weights=WEIGHTS),
    ),
    "HardSigmoid": (
        "FusedConv",
        ["conv", "hard_sigmoid"],
        Model(f"{CONV} y = HardSigmoid<alpha = 0.16666667>(c)", weights=WEIGHTS),
    ),
    "SiLU": ("QuickGelu", ["silu"], Model("s = Sigmoid(x) y = Mul(x, s)")),
    "SiLU of a multiple": (
        "QuickGelu",
        ["scale", "sigmoid", "mul"],
        Model("a = Mul(x, alpha) s = Sigmoid(a) y = Mul(x, s)", constants={"alpha": 1.702}),
    ),
    "Gemm and Relu": (
        "FusedGemm",
        ["linear", "relu"],
        Model("g = Gemm<transB = 1>(x, w, b) y = Relu(g)", shape=("N", 8), weights={"w": (4, 8), "b": (4,)}),
    ),
    "GELU by Erf": (
        "Gelu",
        ["gelu"],
        Model(
            "a = Div(x, s) e = Erf(a) t = Add(e, one) p = Mul(x, t) y = Mul(p, half)",
            constants={"s": 2**0.5, "one": 1.0, "half": 0.5},
        ),
    ),
}


def optimized(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """What ONNX Runtime makes of a model for any processor."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(path)


@pytest.mark.parametrize("name", FUSED)
def test_a_fused_operator_is_read_as_its_parts(name: str, tmp_path: Path) -> None:
    fused, expected, model = FUSED[name]
    file = optimized(model.proto(), tmp_path / "optimized.onnx")
    assert fused in {node.op_type for node in file.graph.node}
    network = read_model(file, tmp_path)
    assert operators(network) == expected
    assert deviation(network, model.proto().SerializeToString(), model.input(), tmp_path) < 1e-5


def fused_model(node: onnx.NodeProto, shape: list[int], weights: dict[str, tuple[int, ...]]) -> onnx.ModelProto:
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(random(name, size), name) for name, size in weights.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize("attributes", [{"transB": 1}, {"transB": 1, "alpha": 0.5}, {}])
def test_a_product_with_transposed_weights_is_a_linear_layer(attributes: dict[str, float], tmp_path: Path) -> None:
    weight = (5, 8) if attributes else (8, 5)
    node = helper.make_node("FusedMatMul", ["x", "w"], ["y"], domain="com.microsoft", **attributes)
    model = fused_model(node, [3, 8], {"w": weight})
    network = read_model(model, tmp_path)
    assert operators(network) == (["linear", "scale"] if "alpha" in attributes else ["linear"])
    assert deviation(network, model.SerializeToString(), random("x", [3, 8]), tmp_path) < 1e-5


def test_a_sum_comes_before_the_activation(tmp_path: Path) -> None:
    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "activation": "Relu"}
    node = helper.make_node("FusedConv", ["x", "w", "b", "x"], ["y"], domain="com.microsoft", **window)
    model = fused_model(node, [3, 8, 6, 4], WEIGHTS)
    network = read_model(model, tmp_path)
    assert operators(network) == ["conv", "add", "relu"]
    assert deviation(network, model.SerializeToString(), random("x", [3, 8, 6, 4]), tmp_path) < 1e-5


def test_a_transposed_value_stays_what_it_is(tmp_path: Path) -> None:
    node = helper.make_node("FusedMatMul", ["x", "w"], ["y"], domain="com.microsoft", transA=1)
    assert operators(read_model(fused_model(node, [8, 3], {"w": (8, 5)}), tmp_path)) == ["[com.microsoft.FusedMatMul]"]


def test_numbers_in_a_row_are_read_from_the_file(tmp_path: Path) -> None:
    """As onnxsim stores what it computes: in ``float_data``, not in ``raw_data``."""
    model = Model("y = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x, w)", weights={"w": (64, 8, 3, 3)}).proto()
    (weight,) = model.graph.initializer
    weight.float_data.extend(np.frombuffer(weight.raw_data, np.float32))
    weight.ClearField("raw_data")
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    network = read_network(OnnxFile.open(path))
    record = network.file.model.tensors["w"]
    assert record.raw is not None
    assert not record.numbers
    assert deviation(network, path.read_bytes(), random("x", [3, 8, 6, 4]), tmp_path) < 1e-5
