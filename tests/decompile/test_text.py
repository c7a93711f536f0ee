"""Statements whose form decides about what they build."""

from __future__ import annotations

import pytest

from resdsl.decompile.program import decompile
from resdsl.decompile.text import program_text

from ..building import build, network
from .round_trip import is_same


def text_of(body: str, shape: str = "N, 4, 8, 8") -> str:
    graph = network(body, shape)
    text = program_text(decompile(graph))
    assert is_same(graph, text), text
    return text


def line_of(text: str, start: str) -> str:
    return next(line.strip() for line in text.splitlines() if line.strip().startswith(start))


@pytest.mark.parametrize(
    ("body", "line"),
    [
        # An empty branch is the value itself, and an `identity` in braces an operator.
        ("concat { identity;  relu }", "concat { identity; relu }"),
        ("concat { { identity };  relu }", "concat { { identity }; relu }"),
        # A loop is one branch, and not one for each pass.
        ("add { { for _ in 1..6 { relu } };  tanh }", "add { { for _ in 1..6 { relu } }; tanh }"),
        ("concat { { relu;  tanh };  relu }", "concat { { relu; tanh }; relu }"),
    ],
)
def test_branches_are_written_so_that_they_are_branches(body: str, line: str) -> None:
    assert line_of(text_of(f"{body}\n  output y"), line.partition(" ")[0]) == line


@pytest.mark.parametrize(
    ("call", "line"),
    [
        ("conv(8, 3x3)", "conv: conv(8, 3x3)"),
        ("conv(8, 3, stride = 2x2, pad = half)", "conv: conv(8, 3x3, stride = 2)"),
        ("conv(8, 1x7, pad = [0, 3, 0, 3])", "conv: conv(8, 1x7, pad = 0x3)"),
        ("conv(8, 3x3, pad = [0, 1, 2, 0])", "conv: conv(8, 3x3, pad = [0, 1, 2, 0])"),
        ("maxpool(3x3, stride = 2, ceil = true)", "maxpool(3x3, stride = 2, ceil = true)"),
        ("avgpool(global)", "avgpool(global)"),
        ("leaky_relu(slope = 0.01)", "leaky_relu"),
        ("leaky_relu(0.25)", "leaky_relu(slope = 0.25)"),
    ],
)
def test_calls_state_what_is_not_the_default(call: str, line: str) -> None:
    assert line in {one.strip() for one in text_of(f"{call}\n  output y").splitlines()}


def test_an_eps_that_all_norms_share_is_a_default() -> None:
    text = text_of("\n".join(f"conv{i}: conv(8, 3x3);  n{i}: bn(eps = 1e-3)" for i in (1, 2)) + "\n  output y")
    assert "default bn(eps = 0.001)" in text
    assert text.count("eps") == 1
    mixed = text_of("a: bn(eps = 1e-3);  b: bn(eps = 1e-4)\n  output y")
    assert "default" not in mixed
    assert mixed.count("eps") == 2


def test_features_of_the_classifier_are_the_parameter_of_the_model() -> None:
    text = text_of("avgpool(global);  flatten;  a: linear(12);  relu;  b: linear(7);  softmax\n  output probabilities")
    assert "model net(classes = 7)" in text
    assert "b: linear(classes)" in text
    assert "a: linear(12)" in text


def test_outputs_and_taps_follow_the_values_that_they_name() -> None:
    text = text_of(
        """conv(4, 3x3);  output first
        concat { { relu;  tap inner;  conv(4, 1x1) };  identity }
        output last
        from inner { output inside }"""
    )
    lines = [line.strip() for line in text.splitlines()]
    assert lines.index("output first") < lines.index("output last")
    tap = next(line for line in text.split() if line.startswith("t") and line[1:].rstrip(";").isdigit()).rstrip(";")
    assert f"from {tap} {{ output inside }}" in text


def test_preprocessing_and_labels_are_kept() -> None:
    graph = build(
        """model net() {
          input x: f32[N, 3, 32, 32]
          preprocess { resize(40, interpolation = bicubic); crop(32); normalize(mean = [0, 0, 0.3], std = [1, 2, 4]) }
          labels ["a \\"quoted\\" cat", "dog"]
          avgpool(global);  flatten;  fc: linear(2)
          output logits
        }
        """
    )
    text = program_text(decompile(graph))
    again = build(text)
    assert again.preprocess == graph.preprocess
    assert again.labels == graph.labels == ('a "quoted" cat', "dog")
    assert program_text(decompile(again)) == text


def test_totals_are_stated() -> None:
    text = text_of("conv(8, 3x3);  bn\n  output y")
    # 8 * 4 * 3 * 3 weights and two numbers for each channel; 64 pixels.
    assert "expect parameters == 304" in text
    assert f"expect macs == {8 * 4 * 9 * 64:_}" in text


def test_an_output_at_the_end_of_a_group_stands_behind_it() -> None:
    text = text_of(
        "one: { a: { conv(4, 3x3);  relu };  b: conv(4, 1x1);  c: bn }\n  output early\n  two: bn\n  output y"
    )
    lines = [line.strip() for line in text.splitlines()]
    assert lines[lines.index("output early") - 1] == "one: { a: { conv(4, 3x3); relu }; b: conv(4, 1x1); c: bn }"
