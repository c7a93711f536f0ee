"""Networks that compute the same, whatever form their arguments have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from resdsl.analysis.same_network import same_network
from resdsl.ir.print import print_graph
from resdsl.ops import operators
from resdsl.review.marks import Mark
from resdsl.review.review import compare

from ..building import network
from ..properties import models

EQUAL = [
    ("conv(4, 1x1)", "conv(4, 1x1, pad = valid)"),
    ("conv(4, 1x1, dilation = 2)", "conv(4, 1x1)"),
    ("conv(4, 3x3)", "conv(4, 3x3, pad = 1)"),
    ("conv(4, 3x3)", "conv(4, 3x3, pad = same)"),
    ("conv(4, 3x3, stride = 2, pad = same)", "conv(4, 3x3, stride = 2, pad = [0, 0, 1, 1])"),
    ("conv(4, 1x7, pad = 0x3)", "conv(4, 1x7)"),
    ("conv(4, 1x3, dilation = 3x1)", "conv(4, 1x3)"),
    ("maxpool(2x2, stride = 2, pad = valid)", "maxpool(2x2, stride = 2)"),
    ("maxpool(2x2, stride = 2, ceil = true)", "maxpool(2x2, stride = 2, pad = [0, 0, 1, 1])"),
    ("avgpool(2x2, count_pad = false)", "avgpool(2x2)"),
    ("avgpool(3x3, pad = valid)", "avgpool(3x3, pad = 0, count_pad = false)"),
    ("avgpool(1x1, stride = 2, ceil = true)", "avgpool(1x1, stride = 2)"),
    ("conv_transpose(4, 1x1)", "conv_transpose(4, 1x1, pad = valid)"),
    ("blurpool(2, pad = valid)", "blurpool(2, edge = zero)"),
    ("concat { conv(4, 1x1) }", "conv(4, 1x1)"),
    ("mean { relu }", "add { relu }"),
    ("concat { relu; concat { sigmoid; tanh }; identity }", "concat { concat { relu; sigmoid }; tanh; identity }"),
    ("relu;  channel_shuffle(1)", "relu;  channel_shuffle(3)"),
    ("upsample(1, mode = bilinear);  relu", "relu;  maxpool(1x1)"),
    ("relu;  identity;  pad(0);  scale(1)", "relu;  slice(0, 3);  trim(0);  space_to_depth(1);  branch_sum(1)"),
    ("avgpool(global);  maxpool(global)", "avgpool(global);  interpolate(1)"),
    ("upsample(2x3)", "interpolate(16x24)"),
    ("upsample(2, mode = bilinear, align_corners = true)", "interpolate(16, mode = bilinear, align_corners = true)"),
    ("avgpool(8x8, pad = valid)", "avgpool(global)"),
    ("maxpool(8x8, stride = 2, pad = valid)", "maxpool(global)"),
    ("avgpool(global);  pixel_softmax", "avgpool(global);  branch_softmax(1)"),
    ("avgpool(global);  pixel_sum", "avgpool(global)"),
    ("avgpool(global);  avgpool(1x1, stride = 2)", "avgpool(global);  maxpool(1x1, stride = 2)"),
    ("flatten;  flatten", "flatten"),
    ("branch_softmax(3)", "softmax"),
    ("conv(1, 1x1);  lrn(size = 3, alpha = 0.3)", "conv(1, 1x1);  lrn(size = 1, alpha = 0.1)"),
    ("conv(1, 1x1);  prelu(per_channel = true)", "conv(1, 1x1);  prelu"),
    ("conv(1, 1x1);  affine", "conv(1, 1x1);  affine(per_channel = false)"),
]
DIFFERENT = [
    ("conv(4, 3x3)", "conv(4, 3x3, pad = valid)"),
    ("conv(4, 3x3, stride = 2, pad = same)", "conv(4, 3x3, stride = 2)"),
    ("conv(4, 3x3, dilation = 2)", "conv(4, 3x3)"),
    ("conv(4, 1x3, dilation = 1x3)", "conv(4, 1x3)"),
    ("maxpool(3x3, stride = 2, ceil = true)", "maxpool(3x3, stride = 2)"),
    ("avgpool(3x3, count_pad = false)", "avgpool(3x3)"),
    ("avgpool(3x3, stride = 2, ceil = true)", "avgpool(3x3, stride = 2)"),
    ("blurpool(3, edge = zero)", "blurpool(3)"),
    ("concat { relu; sigmoid }", "concat { sigmoid; relu }"),
    ("concat { relu; concat { relu; sigmoid } }", "concat { relu; sigmoid; relu }"),
    ("relu;  dropout", "relu"),
    ("channel_shuffle(3)", "conv(4, 1x1);  channel_shuffle(2)"),
    ("lrn(size = 3, alpha = 0.3)", "lrn(size = 1, alpha = 0.1)"),
    ("affine(init = 0.1)", "affine"),
    ("branch_softmax(1)", "softmax"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_arguments_that_mean_the_same_are_the_same_network(one: str, other: str) -> None:
    old, new = (network(f"{call};  relu\n  output y") for call in (one, other))
    assert print_graph(old) != print_graph(new)
    assert same_network(old, new)
    assert same_network(new, old)
    assert compare(old, new).is_empty


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_arguments_that_mean_something_else_are_another_network(one: str, other: str) -> None:
    old, new = (network(f"{call};  relu\n  output y") for call in (one, other))
    assert not same_network(old, new)
    assert not compare(old, new).is_empty


@pytest.mark.parametrize(
    ("text", "shape"),
    [(example.text, example.shape) for one in operators().values() for example in one.examples],
)
def test_the_canonical_operator_computes_the_same(text: str, shape: tuple[int, ...]) -> None:
    """ONNX Runtime computes the same from the same weights, and it is its own canonical operator."""
    graph = network(f"{text}\n  output y", ", ".join(map(str, shape)))
    nodes = []
    for node, application in zip(graph.nodes, graph.applications, strict=True):
        canonical = application.canonical
        assert canonical.canonical(*application.inputs) == canonical
        nodes.append(replace(node, operator=canonical))
    if tuple(nodes) == graph.nodes:
        return
    x = models.pixels(graph, {})
    written, canonical = (models.run(models.emitted(one), x) for one in (graph, replace(graph, nodes=tuple(nodes))))
    assert np.allclose(written["y"], canonical["y"], rtol=0, atol=1e-6)


def test_more_concatenations_than_are_taken_apart_are_the_same_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is inside the next, so that in all they have as many parts as the square of their number."""
    monkeypatch.setattr("resdsl.analysis.same_network._Concats._MOST_STEPS", 50)
    graph = network("for _ in 1..30 { concat { slice(0, 1); identity } }\n  output y")
    assert same_network(graph, graph)


def test_a_layer_in_another_form_is_unchanged_where_something_else_changes() -> None:
    old = network("a: conv(4, 1x1);  relu\n  b: conv(4, 3x3)\n  output y")
    new = network("a: conv(4, 1x1, pad = valid);  relu\n  b: conv(8, 3x3)\n  output y")
    review = compare(old, new)
    marks = {node.path: review.marks.new[node.index] for node in new.nodes}
    assert marks["a"] is Mark.SAME
    assert marks["b"] is Mark.CHANGED


def test_same_padding_of_another_image_is_no_change_of_the_layer() -> None:
    old = network("a: conv(4, 3x3, stride = 2, pad = same)\n  output y", "N, 3, 8, 8")
    new = network("a: conv(4, 3x3, stride = 2, pad = same)\n  output y", "N, 3, 9, 9")
    assert old.applications[1].canonical != new.applications[1].canonical
    assert compare(old, new).marks.new[1] is not Mark.CHANGED
