"""Passes, text in and text out; results do not change."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from resdsl.ir.graph import Graph
from resdsl.ir.print import print_graph
from resdsl.ir.verify import InvalidGraph, verify
from resdsl.passes import LEVELS, PASSES, optimize, pipeline
from resdsl.passes.drop_identity import drop_identity
from resdsl.passes.drop_unused import drop_unused
from resdsl.passes.fold_batch_norm import fold_batch_norm
from resdsl.passes.folding import BatchNormMap, OutputWeight

from ..building import build, network, tensor
from .computing import run, text

# --- drop-identity ---------------------------------------------------------------------------------------------------


def test_identity_and_dropout_go() -> None:
    graph = drop_identity(network("relu;  dropout(0.5);  i: identity;  tail: { dropout };  s: sigmoid\n  output y"))
    assert text(graph) == dedent(
        """\
        graph net(%x: f32[N, 3, 8, 8]) {
          %relu = relu %x -> [N, 3, 8, 8]
          %s = sigmoid %relu -> [N, 3, 8, 8]
          output y = %s
        }
        """
    )


def test_an_output_of_an_identity_is_one_of_what_it_reads() -> None:
    graph = drop_identity(network("identity\n  output same\n  relu;  dropout\n  output a\n  output b"))
    assert text(graph).endswith("  output same = %x\n  output a = %relu\n  output b = %relu\n}\n")
    x = np.float32([[[[-1, 2]]] * 3])
    found = run(drop_identity(network("identity\n  output same\n  relu;  dropout\n  output a", "1, 3, 1, 2")), x)
    np.testing.assert_array_equal(found["same"], x)
    np.testing.assert_array_equal(found["a"], np.maximum(x, 0))


def test_the_identity_branch_of_a_join_reads_the_value_itself() -> None:
    graph = drop_identity(network("relu;  concat { identity;  sigmoid }\n  output y"))
    assert "%concat = concat %relu, %sigmoid" in text(graph)


# --- drop-unused -----------------------------------------------------------------------------------------------------


def test_layers_behind_the_last_output_go_with_their_weights() -> None:
    graph = drop_unused(network("a: conv(4, 1x1)\n  output y\n  more: { b: conv(4, 1x1);  bn }"))
    assert text(graph) == dedent(
        """\
        graph net(%x: f32[N, 3, 8, 8]) {
          %a = conv(4, 1x1) %x -> [N, 4, 8, 8]
          output y = %a
        }
        """
    )
    assert list(graph.parameters) == ["a.weight"]


def test_a_graph_without_waste_stays_the_same_object() -> None:
    graph = network("a: conv(4, 1x1)\n  output y")
    assert drop_unused(graph) is graph
    assert drop_identity(graph) is graph
    assert fold_batch_norm(graph) is graph


# --- fold-batch-norm -------------------------------------------------------------------------------------------------


def test_a_batch_norm_goes_into_the_convolution_before_it() -> None:
    graph = fold_batch_norm(network("conv1: conv(4, 3x3, stride = 2);  bn1: bn;  relu\n  output y"))
    assert text(graph) == dedent(
        """\
        graph net(%x: f32[N, 3, 8, 8]) {
          %conv1 = conv(4, 3x3, stride = 2, bias = true) %x -> [N, 4, 4, 4] {weight: fold_batch_norm.weight(conv1, bn1), bias: fold_batch_norm.bias(bn1)}
          %relu = relu %conv1 -> [N, 4, 4, 4]
          output y = %relu
        }
        """  # noqa: E501
    )
    assert list(graph.parameters) == ["conv1.weight", "conv1.bias"]


@pytest.mark.parametrize("bias", ["true", "false"])
@pytest.mark.parametrize("norm", ["bn", "bn(eps = 0.1)", "bn(affine = false)"])
def test_folded_weights_are_those_of_the_formula(norm: str, bias: str) -> None:
    before = network(f"c: conv(4, 3x2, groups = 1, bias = {bias});  n: {norm}\n  output y")
    after = fold_batch_norm(before)
    values = {name: tensor(parameter).astype(np.float64) for name, parameter in before.parameters.items()}
    eps = 0.1 if "eps" in norm else 1e-5
    scale = values.get("n.weight", np.ones(4)) / np.sqrt(values["n.running_var"] + eps)
    shift = values.get("n.bias", np.zeros(4))
    weight = values["c.weight"] * scale[:, None, None, None]
    new_bias = shift + (values.get("c.bias", np.zeros(4)) - values["n.running_mean"]) * scale
    np.testing.assert_allclose(tensor(after.parameters["c.weight"]), weight, rtol=1e-7)
    np.testing.assert_allclose(tensor(after.parameters["c.bias"]), new_bias, rtol=1e-6, atol=1e-7)
    assert tensor(after.parameters["c.weight"]).dtype == np.float32
    assert tensor(after.parameters["c.bias"]).dtype == np.float32


REFUSED = {
    "the value has another reader": "conv1: conv(3, 1x1);  residual { bn1: bn }",
    "the value is an output": "conv1: conv(3, 1x1)\n  output early\n  bn1: bn",
    "the norm comes first": "bn1: bn;  relu;  conv1: conv(3, 1x1)",
    "something stands between": "conv1: conv(3, 1x1);  relu;  bn1: bn",
    "the norm follows a join": "concat { conv1: conv(3, 1x1);  conv2: conv(3, 1x1) };  bn1: bn",
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_batch_norm_stays_where(why: str) -> None:
    graph = network(f"{REFUSED[why]}\n  output y")
    assert fold_batch_norm(graph) is graph


def test_of_two_norms_the_first_is_folded() -> None:
    graph = fold_batch_norm(network("c: conv(4, 1x1);  a: bn;  b: bn\n  output y"))
    assert [node.path for node in graph.nodes] == ["x", "c", "b"]
    verify(graph)


def test_folding_needs_memory_for_the_result_alone_and_leaves_what_it_reads() -> None:
    weight = np.ones((256, 4096), np.float32)
    before = weight.copy()
    statistics = [np.full(256, value, np.float32) for value in (2, 0, 0, 1)]
    tracemalloc.start()
    try:
        OutputWeight("w", BatchNormMap(0.0, affine=True))(weight, *statistics)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.1 * weight.nbytes
    np.testing.assert_array_equal(weight, before)


# --- the pipeline ----------------------------------------------------------------------------------------------------

NETWORK = """
block unit(width, stride = 1) {
  residual {
    norm1: bn;  relu;  tap preact
    conv1: conv(width, 3x3, stride = stride);  norm2: bn;  relu
    conv2: conv(width, 1x1, bias = true);  dropout
  } shortcut projection { from preact { down: conv(width, 1x1, stride = stride);  bn_down: bn } }
}
model net() {
  input x: f32[N, 3, 9, 8]
  stem: conv(4, 3x3)
  2 x unit(6, stride = 2)
  mul { identity;  { avgpool(global);  gate: conv(6, 1x1);  gate_bn: bn;  sigmoid } }
  output features
  avgpool(global);  flatten;  dropout;  fc: linear(5);  fc_bn: bn
  output logits
  softmax
}
"""


@pytest.mark.parametrize("level", range(len(LEVELS)))
def test_what_a_network_computes_stays_the_same(level: int) -> None:
    x = np.random.Generator(np.random.PCG64(7)).standard_normal((2, 3, 9, 8)).astype(np.float32)
    plain = run(build(NETWORK), x)
    optimized = run(optimize(build(NETWORK), level), x)
    assert plain.keys() == optimized.keys() == {"features", "logits"}
    for name, value in plain.items():
        np.testing.assert_allclose(optimized[name], value, rtol=2e-5, atol=2e-5)


def test_level_0_is_the_network_as_it_is_written() -> None:
    graph = build(NETWORK)
    assert optimize(graph, 0) is graph
    assert len(optimize(graph, 1).nodes) < len(graph.nodes)


def test_a_folded_norm_hands_its_weights_to_its_layer() -> None:
    assert "unit.norm2.weight" in build(NETWORK).parameters
    folded = optimize(build(NETWORK), 1).parameters
    assert "unit.conv1.bias" in folded
    assert "unit.norm2.weight" not in folded
    assert "unit_2.norm1.weight" in folded  # behind a join


def test_every_pass_is_reported_with_its_result() -> None:
    seen: list[tuple[str, Graph]] = []
    result = optimize(build(NETWORK), 2, after=lambda name, graph: seen.append((name, graph)))
    assert [name for name, _ in seen] == list(LEVELS[2])
    assert seen[-1][1] is result


def test_passes_leave_the_graph_that_they_are_given() -> None:
    graph = build(NETWORK)
    before = print_graph(graph)
    optimize(graph, 2)
    assert print_graph(graph) == before
    verify(graph)


def test_a_pass_that_breaks_a_graph_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: Graph) -> Graph:
        return Graph(graph.name, graph.nodes[:-1], graph.outputs, graph.root, graph.parameters, graph.input_name)

    monkeypatch.setattr(pipeline, "pass_of", lambda _: broken)
    with pytest.raises(InvalidGraph):
        optimize(build(NETWORK), 1)


def test_every_level_runs_known_passes_in_their_order() -> None:
    order = list(PASSES)
    for names in LEVELS:
        assert list(names) == sorted(names, key=order.index)


HELPERS = {"__init__", "folding", "pipeline", "readers", "rewrite"}
"""Modules of the package that hold no pass."""


def test_every_pass_file_is_in_a_level_or_has_an_option() -> None:
    files = {path.stem for path in Path(pipeline.__file__).parent.glob("*.py")}
    listed = [name.replace("-", "_") for name in (*PASSES, *pipeline.PASSES_BY_OPTION)]
    assert sorted(files - HELPERS) == sorted(listed)
    assert set(PASSES) == {name for names in LEVELS for name in names}
    for name in (*PASSES, *pipeline.PASSES_BY_OPTION):
        assert "Refused" in (pipeline.pass_of(name).__doc__ or ""), f"{name} does not say what it refuses"
