"""Blocks, models called like blocks, parameters and what is passed for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from resdsl.diagnostics import Diagnostics
from resdsl.ir.graph import Graph

Build = Callable[..., Graph]
Check = Callable[..., tuple[Graph | None, Diagnostics]]
Net = Callable[..., str]
Codes = Callable[..., list[str]]


def operators(graph: Graph) -> list[str]:
    return [node.operator.name for node in graph.nodes[1:]]


def shape(graph: Graph) -> str:
    return str(graph.nodes[graph.outputs[-1].node].type)


def test_parentheses_may_be_left_out_where_nothing_is_passed(net: Net, build: Build) -> None:
    head = "block b(n = 4) {\n  a: conv(n, 1x1)\n}"
    assert shape(build(net("relu\nrelu()\nx1: b\nx2: b()\noutput y", head))) == "[N, 4, 32, 32]"


def test_arguments_are_given_by_position_or_by_name(net: Net, build: Build) -> None:
    head = "block b(width, kernel: size, stride = 1) {\n  a: conv(width, kernel, stride = stride)\n}"
    for call in ("b(4, 1x3, 2)", "b(4, stride = 2, kernel = 1x3)", "b(kernel = 1x3, width = 4, stride = 2)"):
        graph = build(net(f"x1: {call}\noutput y", head))
        assert graph.parameters["x1.a.weight"].shape == (4, 3, 1, 3)
        assert shape(graph) == "[N, 4, 16, 16]"


def test_a_default_sees_the_parameters_before_it_and_the_current_channels(net: Net, build: Build) -> None:
    head = "block b(width, inner = width * 2, back = channels) {\n  a: conv(inner, 1x1)\n  c: conv(back, 1x1)\n}"
    graph = build(net("x1: b(4)\noutput y", head))
    assert graph.parameters["x1.a.weight"].shape[0] == 8
    assert graph.parameters["x1.c.weight"].shape[0] == 3


def test_a_default_does_not_see_the_parameters_after_it(net: Net, codes: Codes) -> None:
    head = "block b(inner = width, width = 4) {\n  a: conv(inner + width, 1x1)\n}"
    assert codes(net("x1: b\noutput y", head)) == ["E0201"]


def test_a_block_does_not_see_what_its_caller_knows(net: Net, codes: Codes) -> None:
    head = "block b() {\n  a: conv(width, 1x1)\n}"
    assert codes(net("const width = 4\nx1: b\nx2: conv(width, 1x1)\noutput y", head)) == ["E0201"]


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        ("int", "8", ["1.5", "true", "3x3", '"8"', "[8]"]),
        ("float", "8", ["true", "3x3", '"8"']),
        ("float", "0.5", ["[0.5]"]),
        ("bool", "true", ["1", '"true"']),
        ("size", "3x1", ["1.5", "[3, 3]", "true"]),
        ("size", "3", ['"3x3"']),
        ("string", '"a"', ["1", "true"]),
        ("list", "[1, 2]", ["1", "3x3", '"ab"']),
        ("block", "relu", ["1", '"relu"', "true"]),
        ("block", "other", ["3x3"]),
        ("shortcut", "projection", ["1", '"pad"']),
        ("shortcut", "pad(zeros = both)", ["true"]),
        ("{a, b}", "a", ["1", '"a"']),
    ],
)
def test_a_parameter_takes_its_type_alone(annotation: str, good: str, bad: list[str], net: Net, codes: Codes) -> None:
    head = f"block other() {{\n  relu\n}}\nblock b(p: {annotation}) {{\n  if p == p {{ relu }}\n}}"
    other = "" if good == "other" else "other\n"
    assert codes(net(f"{other}b({good})\noutput y", head)) == []
    for value in bad:
        assert codes(net(f"{other}b({value})\noutput y", head)) == ["E0207"], value


def test_an_integer_for_a_size_is_a_square(net: Net, build: Build) -> None:
    head = "block b(k: size) {\n  a: conv(k[0] + k[1], k)\n}"
    assert build(net("x1: b(3)\noutput y", head)).parameters["x1.a.weight"].shape == (6, 3, 3, 3)


def test_an_enumeration_is_compared_with_its_members(net: Net, build: Build) -> None:
    head = "block b(at: {first, last} = last) {\n  if at == first { relu } else { tanh }\n}"
    assert operators(build(net("b\nb(first)\nb(at = last)\noutput y", head))) == ["tanh", "relu", "tanh"]


def test_an_enumeration_is_passed_on(net: Net, build: Build) -> None:
    head = (
        "block inner(at: {first, last}) {\n  if at == first { relu } else { tanh }\n}\n"
        "block outer(at: {first, last} = last) {\n  inner(at)\n  inner(at = first)\n}"
    )
    assert operators(build(net("outer\nouter(first)\noutput y", head))) == ["tanh", "relu", "relu", "relu"]


def test_a_word_may_depend_on_a_condition(net: Net, build: Build) -> None:
    graph = build(net("a: conv(4, 3x3, pad = valid if tight else half)\noutput y", parameters="tight = true"))
    assert shape(graph) == "[N, 4, 30, 30]"


def test_a_parameter_hides_a_word_and_an_operator(net: Net, build: Build) -> None:
    head = "block b(half, relu) {\n  a: conv(relu, 3x3, pad = half)\n}"
    assert shape(build(net("x1: b(0, 4)\noutput y", head))) == "[N, 4, 30, 30]"


@pytest.mark.parametrize("act", ["tanh", "twice"])
def test_an_op_or_block_may_be_passed(act: str, net: Net, build: Build) -> None:
    head = "block twice() {\n  tanh; tanh\n}\nblock b(act: block = relu) {\n  act\n  act\n}"
    graph = build(net(f"b({act})\nb\ntwice\noutput y", head))
    assert operators(graph)[:-2] == ["tanh"] * (2 if act == "tanh" else 4) + ["relu", "relu"]


def test_a_passed_block_takes_arguments_and_labels(net: Net, build: Build) -> None:
    head = (
        "block plain(width) {\n  conv1: conv(width, 3x3)\n}\nblock b(body: block) {\n  first: body(8)\n  2 x body(4)\n}"
    )
    graph = build(net("layer: { b(plain) }\noutput y", head))
    assert next(iter(graph.parameters)) == "layer.0.first.conv1.weight"
    assert shape(graph) == "[N, 4, 32, 32]"


def test_channels_are_those_of_the_current_value(net: Net, build: Build) -> None:
    graph = build(
        net("a: conv(8, 1x1)\nb: conv(channels, 3x3, groups = channels)\nc: conv(channels // 2, 1x1)\noutput y")
    )
    assert graph.parameters["b.weight"].shape == (8, 1, 3, 3)
    assert graph.parameters["c.weight"].shape == (4, 8, 1, 1)


def test_channels_in_are_those_that_entered_the_block(net: Net, build: Build) -> None:
    head = "block se(reduction = 4) {\n  a: conv(channels // reduction, 1x1)\n  b: conv(channels_in, 1x1)\n}"
    graph = build(net("w: conv(16, 1x1)\ns: se\noutput y", head))
    assert graph.parameters["s.a.weight"].shape == (4, 16, 1, 1)
    assert graph.parameters["s.b.weight"].shape == (16, 4, 1, 1)


def test_channels_of_features_are_their_number(net: Net, build: Build) -> None:
    graph = build(net("avgpool(global); flatten\na: linear(channels * 2)\noutput y"))
    assert shape(graph) == "[N, 6]"


# --- models called like blocks ---------------------------------------------------------------------------------------

SMALL = """model small(width = 8) {
  input image: f32[N, 3, H, H]
  preprocess { resize(32) }
  labels "imagenet1k"
  conv1: conv(width, 3x3)
  output early
  relu
  expect parameters == 0
}
"""


def test_a_called_model_gives_the_last_value_it_makes(net: Net, build: Build) -> None:
    graph = build(net("mean { one: small; two: small(8) }\noutput y", SMALL), model="net")
    assert list(graph.parameters) == ["one.conv1.weight", "two.conv1.weight"]
    assert operators(graph)[:2] == ["conv", "relu"]


def test_the_other_statements_of_a_called_model_are_ignored(net: Net, build: Build) -> None:
    graph = build(net("one: small\noutput y", SMALL), model="net")
    assert [output.name for output in graph.outputs] == ["y"]
    assert graph.preprocess is None
    assert graph.labels is None


def test_a_called_model_is_given_what_it_takes_as_input(net: Net, codes: Codes) -> None:
    text = net("maxpool(3x3, stride = 2x1)\none: small\noutput y", SMALL)
    # H and H again: 16 and 32 are not the same size.
    assert codes(text, model="net") == ["E0306"]


def test_the_symbols_of_a_called_model_stand_for_the_sizes_it_is_given(net: Net, build: Build) -> None:
    head = "model m() {\n  input x: f32[B, C, S, S]\n  a: conv(2 * C, 1x1) -> [B, 6, S, S]\n  output y\n}"
    assert shape(build(net("one: m\noutput y", head), model="net")) == "[N, 6, 32, 32]"


def test_a_file_with_several_models_needs_a_choice(net: Net, build: Build, codes: Codes) -> None:
    text = net("one: small\noutput y", SMALL)
    assert codes(text) == ["E0608"]
    assert build(text, model="net").name == "net"
    assert codes(text, model="nett") == ["E0608"]


# --- the model's own parameters --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [16, "16", "8 * 2", "max(16, 2)"])
def test_a_value_for_a_parameter_may_be_an_expression(value: object, net: Net, build: Build) -> None:
    text = net("a: conv(width, 3x3)\noutput y", parameters="width = 8")
    assert shape(build(text)) == "[N, 8, 32, 32]"
    assert shape(build(text, arguments={"width": value})) == "[N, 16, 32, 32]"


@pytest.mark.parametrize("value", ["3x1", "projection", "tanh"])
def test_sizes_kinds_of_shortcut_and_ops_may_be_given(value: str, net: Net, build: Build) -> None:
    kinds = {"3x1": "size = 3", "projection": "shortcut = identity", "tanh": "block = relu"}
    body = {
        "3x1": "a: conv(4, p)",
        "projection": "residual { a: conv(4, 3x3) } shortcut p { b: conv(4, 1x1) }",
        "tanh": "p",
    }
    build(net(f"{body[value]}\noutput y", parameters=f"p: {kinds[value]}"), arguments={"p": value})


def test_errors_in_given_values_are_reported(net: Net, codes: Codes) -> None:
    text = net("a: conv(width, 3x3)\noutput y", parameters="width: int = 8")
    assert codes(text, arguments={"widht": 8}) == ["E0203"]
    assert codes(text, arguments={"width": "1.5"}) == ["E0207"]
    assert codes(text, arguments={"width": "wide"}) == ["E0201"]
    assert codes(text, arguments={"width": "8 +"})[0].startswith("E01")
    assert codes(text, arguments={"width": ""})[0].startswith("E01")


def test_a_parameter_of_a_model_without_a_default_must_be_given(net: Net, build: Build, codes: Codes) -> None:
    text = net("a: conv(width, 3x3)\noutput y", parameters="width")
    assert codes(text) == ["E0204"]
    assert shape(build(text, arguments={"width": 8})) == "[N, 8, 32, 32]"
