"""Operators that a file defines itself are read as what they are made of."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import parser

from .models import deviation, operators, random, read_model


def _model(functions: list[str], body: str) -> onnx.ModelProto:
    text = f"""
        <ir_version: 8, opset_import: ["" : 17, "own" : 1]>
        net (float[N, 8, 6, 4] x) => (float[N, 8, 6, 4] y) {{ {body} }}
        {"".join(functions)}
    """
    return parser.parse_model(text)


_FUNCTION = """
    <opset_import: ["" : 17], domain: "own">
    swish (a) => (b) { s = Sigmoid(a) b = Mul(a, s) }
    <opset_import: ["" : 17, "own" : 1], domain: "own">
    twice (a) => (b) { k = Constant <value = float {2.0}> () c = own.swish(a) b = Mul(c, k) }
"""


def test_functions_are_written_out(tmp_path: Path) -> None:
    model = _model([_FUNCTION], "z = own.twice(x) y = own.swish(z)")
    network = read_model(model, tmp_path)
    assert operators(network) == ["silu", "scale", "silu"]
    assert deviation(network, model.SerializeToString(), random("x", (2, 8, 6, 4)), tmp_path) < 1e-5


def test_functions_that_would_be_too_many_nodes_stay(tmp_path: Path) -> None:
    """30 functions that call the one before twice are a billion nodes."""
    functions = ['<opset_import: ["" : 17], domain: "own"> f0 (a) => (b) { b = Relu(a) }']
    functions += [
        f'<opset_import: ["" : 17, "own" : 1], domain: "own"> f{n} (a) => (b)'
        f" {{ c = own.f{n - 1}(a) b = own.f{n - 1}(c) }}"
        for n in range(1, 31)
    ]
    network = read_model(_model(functions, "y = own.f30(x)"), tmp_path)
    assert operators(network) == ["[own.f30]"]


def test_functions_that_call_each_other_stay(tmp_path: Path) -> None:
    functions = [
        '<opset_import: ["" : 17, "own" : 1], domain: "own"> f (a) => (b) { b = own.g(a) }',
        '<opset_import: ["" : 17, "own" : 1], domain: "own"> g (a) => (b) { b = own.f(a) }',
    ]
    network = read_model(_model(functions, "y = own.f(x)"), tmp_path)
    assert network.opaque
