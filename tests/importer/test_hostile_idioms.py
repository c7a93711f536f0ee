"""Files that are made to take long: many nodes of one kind, deep chains, large constants, many axes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from resdsl.diagnostics import CompileError

from .models import read_model


def _chain(count: int, make: object, tensors: dict[str, np.ndarray]) -> onnx.ModelProto:
    nodes = [make(f"v{n}", f"v{n + 1}") for n in range(count)]  # type: ignore[operator]
    given = helper.make_tensor_value_info("v0", TensorProto.FLOAT, ["N", 8, 6, 4])
    result = helper.make_tensor_value_info(f"v{count}", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        nodes, "net", [given], [result], [numpy_helper.from_array(array, name) for name, array in tensors.items()]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


_LONG = {
    "products": (lambda x, y: helper.make_node("Mul", [x, x], [y]), {}),
    "sums of numbers": (lambda x, y: helper.make_node("Add", [x, "a"], [y]), {"a": np.float32([3.0])}),
    "halves": (lambda x, y: helper.make_node("Mul", [x, "a"], [y]), {"a": np.float32(0.5)}),
    "norms": (lambda x, y: helper.make_node("ReduceMean", [x, "a"], [y]), {"a": np.int64([1])}),
    "transposes": (lambda x, y: helper.make_node("Transpose", [x], [y], perm=[0, 2, 3, 1]), {}),
    "reshapes": (
        lambda x, y: helper.make_node("Reshape", [x, "a"], [y]),
        {"a": np.int64([-1, 8, *[1] * 4000, 24])},
    ),
    "concatenations": (lambda x, y: helper.make_node("Concat", [x, "v0"], [y], axis=1), {}),
}


@pytest.mark.parametrize("kind", _LONG)
def test_a_long_chain_takes_seconds(kind: str, tmp_path: Path) -> None:
    make, tensors = _LONG[kind]
    model = _chain(2_000, make, tensors)
    began = time.process_time()
    read_model(model, tmp_path)
    assert time.process_time() - began < 20


def test_a_deep_chain_of_constants_takes_seconds(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", [f"c{n}", f"c{n}"], [f"c{n + 1}"]) for n in range(1_000)]
    nodes.append(helper.make_node("Mul", ["x", "c1000"], ["y"]))
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4000])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(np.zeros(4000, np.float32), "c0")]
    graph = helper.make_graph(nodes, "net", [given], [result], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    began = time.process_time()
    network = read_model(model, tmp_path)
    assert network.opaque  # a billion sums are no weight
    assert time.process_time() - began < 20


def test_a_wide_concatenation_takes_seconds(tmp_path: Path) -> None:
    """Each concatenation begins with the values of the one before it."""
    values = ["x"] * 20_000
    nodes = [helper.make_node("Concat", values, [f"y{n}"], axis=1) for n in range(20)]
    nodes.append(helper.make_node("Concat", [f"y{n}" for n in range(20)], ["y"], axis=1))
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "net", [given], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    began = time.process_time()
    assert not read_model(model, tmp_path).opaque
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    "kind",
    [
        *(
            "LayerNormalization",
            "LpNormalization",
            "Softmax",
            "ReduceMean",
            "ReduceL2",
            "Squeeze",
            "Unsqueeze",
            "Flatten",
        ),
        *("Concat", "Split", "Slice", "Gather", "GroupNormalization", "InstanceNormalization"),
    ],
)
def test_a_number_has_no_axes(kind: str, tmp_path: Path) -> None:
    """Of a value of rank 0, and of a constant, an axis is no axis."""
    one = numpy_helper.from_array(np.ones(1, np.int64), "one")
    scalar = numpy_helper.from_array(np.float32(2), "scalar")
    nodes = [
        helper.make_node(kind, [source, "one", "one"], [target], axis=1)
        for source, target in (("x", "y"), ("scalar", "z"))
    ]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xyz"[1:]]
    nodes.append(helper.make_node("Add", ["z", "x"], ["w"]))
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [])
    results[1].name = "w"
    graph = helper.make_graph(nodes, "net", [given], results, [one, scalar])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    try:
        assert read_model(model, tmp_path).opaque
    except CompileError as error:
        assert error.diagnostics.errors
