"""Half precision: what is converted, and what stays in 32 bits."""

from __future__ import annotations

import numpy as np
import pytest
from ml_dtypes import bfloat16

from resdsl.diagnostics import catalogue
from resdsl.files import OutputError
from resdsl.ir.types import DType
from resdsl.passes import optimize
from resdsl.passes.lower_precision import Rounded, lower_precision

from ..building import network, tensor
from .computing import body, defined, run, some

HALF = {DType.F16: np.dtype(np.float16), DType.BF16: np.dtype(bfloat16)}


def test_inputs_outputs_and_softmax_stay_in_32_bits() -> None:
    graph = lower_precision(
        network("avgpool(global);  flatten;  fc: linear(5)\n  output logits\n  softmax\n  output p"), DType.F16
    )
    assert body(graph) == [
        '%x.f16 = cast("f16") %x -> [N, 3, 8, 8]',
        "%avgpool = avgpool(global) %x.f16 -> [N, 3, 1, 1]",
        "%flatten = flatten %avgpool -> [N, 3]",
        "%fc = linear(5) %flatten -> [N, 5] {weight: f16(fc), bias: f16(fc)}",
        '%fc.f32 = cast("f32") %fc -> [N, 5]',
        "%softmax = softmax %fc.f32 -> [N, 5]",
    ]
    assert {node.path: node.type.dtype for node in graph.nodes} == {
        "x": DType.F32,
        "x.f16": DType.F16,
        "avgpool": DType.F16,
        "flatten": DType.F16,
        "fc": DType.F16,
        "fc.f32": DType.F32,
        "softmax": DType.F32,
    }
    assert {output.name: graph.nodes[output.node].path for output in graph.outputs} == {
        "logits": "fc.f32",
        "p": "softmax",
    }


@pytest.mark.parametrize("dtype", HALF)
def test_weights_are_rounded_once_after_what_they_are_made_of(dtype: DType) -> None:
    graph = network("c: conv(4, 3x3);  n: bn\n  output y")
    value = {name: tensor(parameter).astype(np.float64) for name, parameter in graph.parameters.items()}
    scale = value["n.weight"] / np.sqrt(value["n.running_var"] + 1e-5)
    exact = value["c.weight"] * scale[:, None, None, None]
    found = tensor(lower_precision(optimize(graph, 1), dtype).parameters["c.weight"])
    assert found.dtype == HALF[dtype]
    np.testing.assert_array_equal(found, exact.astype(np.float32).astype(HALF[dtype]))


@pytest.mark.parametrize("norm", ["bn", "bn(eps = 0.01)", "bn(affine = false)"])
def test_a_norm_that_stands_alone_keeps_its_digits(norm: str) -> None:
    graph = network(f"n: {norm};  relu\n  output y")
    half = lower_precision(graph, DType.F16)
    assert set(half.parameters) == {f"n.{part}" for part in ("weight", "bias", "running_mean", "running_var")}
    assert {parameter.dtype for parameter in half.parameters.values()} == {DType.F16}
    x = some(2, 3, 8, 8)
    expected = defined(graph, x)["y"]
    # Rounding x, gamma', beta' and the result costs 2^-11 each, of numbers that are about as large as the result.
    np.testing.assert_allclose(run(half, x)["y"], expected, atol=4 * 2**-11 * np.abs(expected).max())


def test_a_network_in_half_precision_gives_nearly_the_same() -> None:
    graph = network(
        "c1: conv(8, 3x3);  n1: bn;  relu;  maxpool(3x3, stride = 2);  lrn"
        "\n  residual { a: conv(8, 3x3);  nb: bn;  gelu }\n  upsample(2);  avgpool(3x3, ceil = true, stride = 2)"
        "\n  concat { identity;  { scale(0.3);  silu } };  pad(1);  maxpool(2x2, pad = 1, stride = 3, ceil = true)"
        "\n  avgpool(global);  flatten;  fc: linear(5)\n  output y\n  softmax\n  output p"
    )
    x = some(2, 3, 8, 8)
    expected = defined(graph, x)
    found = run(lower_precision(optimize(graph, 1), DType.F16), x)
    for name, value in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], value, atol=0.01 * np.abs(value).max())
        assert not np.array_equal(found[name], value.astype(np.float32))  # something was rounded


def test_in_32_bits_nothing_changes() -> None:
    graph = network("c: conv(4, 3x3)\n  output y")
    assert lower_precision(graph, DType.F32) is graph


def test_a_weight_beyond_the_range_is_reported() -> None:
    with pytest.raises(OutputError) as caught:
        Rounded(DType.F16, "conv1.weight")(np.array([1.0, -70_000.0], np.float32))
    assert caught.value.diagnostic.code == catalogue.PRECISION
    assert caught.value.diagnostic.message == (
        "`conv1.weight` holds 70,000, and the largest number of `fp16` is 65,504"
    )
    # bfloat16 has the exponents of a 32-bit float; 70,000 is rounded to 8 bits of mantissa, a multiple of 512.
    assert Rounded(DType.BF16, "w")(np.array([70_000.0], np.float32)).astype(np.float64) == pytest.approx(70_144)
