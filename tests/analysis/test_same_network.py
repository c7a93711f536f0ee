"""Networks that compute the same, whatever form their arguments have."""

from __future__ import annotations

import pytest

from resdsl.analysis.same_network import same_network
from resdsl.ir.operator import Lowering
from resdsl.ops import operators
from resdsl.review.marks import Mark
from resdsl.review.review import compare

from ..building import network

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
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_arguments_that_mean_the_same_are_the_same_network(one: str, other: str) -> None:
    old, new = (network(f"layer: {call};  relu\n  output y") for call in (one, other))
    assert old.nodes[1].operator != new.nodes[1].operator
    assert same_network(old, new)
    assert same_network(new, old)
    assert compare(old, new).is_empty


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_arguments_that_mean_something_else_are_another_network(one: str, other: str) -> None:
    old, new = (network(f"layer: {call};  relu\n  output y") for call in (one, other))
    assert not same_network(old, new)
    assert not compare(old, new).is_empty


@pytest.mark.parametrize(
    ("text", "shape"),
    [(example.text, example.shape) for one in operators().values() for example in one.examples],
)
def test_the_canonical_operator_computes_the_same(text: str, shape: tuple[int, ...]) -> None:
    """It lowers to the same ONNX nodes, and is its own canonical operator."""
    graph = network(f"{text}\n  output y", ", ".join(map(str, shape)))
    for application in graph.applications[1:]:
        canonical = application.canonical
        assert canonical.canonical(*application.inputs) == canonical
        lowered = []
        for operator in (application.operator, canonical):
            lowering = Lowering(application.inputs, application.result)
            operator.lower(lowering)
            lowered.append((lowering.prims, [array.tolist() for array in lowering.constants]))
        assert lowered[0] == lowered[1]


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
