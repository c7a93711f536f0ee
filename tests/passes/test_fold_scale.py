"""A scale is folded into the weights of an adjacent layer."""

from __future__ import annotations

import pytest

from resdsl.passes.fold_scale import fold_scale

from ..building import network
from .computing import assert_computes_the_same, body, some

FOLDED = [
    "c: conv(4, 3x3, bias = true);  s: scale(0.17)",
    "c: conv(4, 3x3);  s: scale(-2)",
    "s: scale(0.5);  c: conv(4, 3x3, bias = true)",
    "avgpool(global);  flatten;  s: scale(3);  c: linear(5)",
    "residual { c: conv(3, 3x3, bias = true);  s: scale(0.1) };  relu",
]

REFUSED = {
    "the layer's value has another reader": "conv(3, 1x1);  residual { scale(0.1) }",
    "the layer's value is an output": "conv(3, 1x1)\n  output early\n  scale(0.1)",
    "something stands between": "conv(3, 1x1);  relu;  scale(0.1)",
    "it comes before, and another reads it": "scale(0.1);  residual { conv(3, 1x1) }",
}


@pytest.mark.parametrize("before", FOLDED)
def test_a_number_goes_into_a_layer(before: str) -> None:
    graph = network(f"{before}\n  output y")
    folded = fold_scale(graph)
    assert "s" not in [node.path for node in folded.nodes]
    assert folded.parameters.keys() == graph.parameters.keys()
    assert_computes_the_same(graph, folded, some(2, 3, 8, 8))


def test_the_text_shows_what_was_scaled() -> None:
    after = fold_scale(network("c: conv(4, 1x1, bias = true);  scale(2)\n  output y"))
    assert body(after) == [
        "%c = conv(4, 1x1, bias = true) %x -> [N, 4, 8, 8] {weight: fold_scale(c), bias: fold_scale(c)}"
    ]
    before = fold_scale(network("scale(2);  c: conv(4, 1x1, bias = true)\n  output y"))
    assert body(before) == ["%c = conv(4, 1x1, bias = true) %x -> [N, 4, 8, 8] {weight: fold_scale(c)}"]


def test_of_two_numbers_around_a_layer_one_is_folded() -> None:
    graph = network("a: scale(2);  c: conv(4, 1x1);  b: scale(3)\n  output y")
    folded = fold_scale(graph)
    assert [node.path for node in folded.nodes] == ["x", "c", "b"]
    assert_computes_the_same(graph, folded, some(1, 3, 8, 8))


@pytest.mark.parametrize("why", REFUSED)
def test_a_number_stays_where(why: str) -> None:
    graph = network(f"{REFUSED[why]}\n  output y")
    assert fold_scale(graph) is graph
