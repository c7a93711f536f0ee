"""Calls, stages, repetitions, residuals, joins, taps, loops: what flows into what."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from resdsl.diagnostics import Diagnostics
from resdsl.ir.graph import Graph, Node, ScopeKind
from resdsl.ir.types import Sides, Size

Build = Callable[..., Graph]
Net = Callable[..., str]
Codes = Callable[..., list[str]]
Check = Callable[..., tuple[Graph, Diagnostics]]

UNIT = """block unit(width, stride = 1, skip: shortcut = projection) {
  residual {
    conv1: conv(width, 3x3, stride = stride)
  } shortcut skip {
    down: conv(width, 1x1, stride = stride)
  }
}"""


def result(graph: Graph, output: int = 0) -> Node:
    return graph.nodes[graph.outputs[output].node]


def shape(graph: Graph, output: int = 0) -> str:
    return str(result(graph, output).type)


def operators(graph: Graph) -> list[str]:
    """The operators in order, the input left out; a join by its keyword."""
    return [getattr(node.operator, "join", "") or node.operator.name for node in graph.nodes[1:]]


# --- one after another -----------------------------------------------------------------------------------------------


def test_statements_follow_each_other_on_lines_and_after_semicolons(net: Net, build: Build) -> None:
    graph = build(net("a: conv(8, 3x3); relu\nmaxpool(3x3, stride = 2)\noutput y"))
    assert operators(graph) == ["conv", "relu", "maxpool"]
    assert [node.inputs for node in graph.nodes] == [(), (0,), (1,), (2,)]


def test_repetitions_follow_each_other(net: Net, build: Build) -> None:
    graph = build(net("a: 3 x conv(8, 3x3)\noutput y"))
    assert [node.inputs for node in graph.nodes] == [(), (0,), (1,), (2,)]
    assert [graph.parameters[f"a.{i}.weight"].shape for i in range(3)] == [(8, 3, 3, 3), (8, 8, 3, 3), (8, 8, 3, 3)]


@pytest.mark.parametrize(("count", "convolutions"), [("0", 0), ("2", 2), ("n", 5), ("(n - 4)", 1), ("(n // 2)", 2)])
def test_a_repeat_count_is_computed(count: str, convolutions: int, net: Net, build: Build) -> None:
    graph = build(net(f"a: {count} x conv(8, 3x3)\nb: {{ for i in 1..n {{ relu }} }}\noutput y", parameters="n = 5"))
    assert operators(graph).count("conv") == convolutions


@pytest.mark.parametrize("count", ["-1", "2.0", "3x3", "true", '"3"'])
def test_a_repeat_count_is_an_integer_from_0(count: str, net: Net, codes: Codes) -> None:
    assert codes(net("a: n x relu\noutput y", parameters=f"n = {count}")) == ["E0214"]


def test_the_input_itself_may_be_an_output(net: Net, build: Build) -> None:
    assert build(net("output same")).outputs[0].node == 0


def test_the_current_value_continues_after_an_output(net: Net, build: Build) -> None:
    graph = build(net("fc: conv(8, 1x1)\noutput logits\nsoftmax\noutput probabilities"))
    assert [(output.name, graph.nodes[output.node].operator.name) for output in graph.outputs] == [
        ("logits", "conv"),
        ("probabilities", "softmax"),
    ]


# --- stages ----------------------------------------------------------------------------------------------------------


def test_stage_arguments_go_to_the_first_block_alone(net: Net, build: Build) -> None:
    graph = build(net("stage layer1(stride = 2) { 3 x unit(8) }\noutput y", UNIT))
    assert shape(graph) == "[N, 8, 16, 16]"
    (stage,) = (child for child in graph.root.children if not isinstance(child, int))
    assert stage.kind is ScopeKind.STAGE
    assert stage.arguments == {"stride": "2"}
    blocks = [child for child in stage.children if not isinstance(child, int)]
    assert [block.arguments["stride"] for block in blocks] == ["2", "1", "1"]


def test_stage_arguments_skip_operators_before_the_first_block(net: Net, build: Build) -> None:
    graph = build(net("stage layer1(stride = 2) { relu; bn; a: unit(8) }\noutput y", UNIT))
    assert shape(graph) == "[N, 8, 16, 16]"


def test_stage_arguments_reach_a_block_inside_a_group(net: Net, build: Build) -> None:
    graph = build(net("stage layer1(stride = 2) { blocks: 2 x unit(8) }\noutput y", UNIT))
    assert shape(graph) == "[N, 8, 16, 16]"


def test_stage_arguments_stop_at_the_first_block_and_do_not_enter_it(net: Net, build: Build) -> None:
    nest = UNIT + "\nblock twice(width, stride = 1) {\n  a: unit(width)\n  b: unit(width, stride = stride)\n}"
    graph = build(net("stage layer1(stride = 2) { a: twice(8) }\noutput y", nest))
    assert shape(graph) == "[N, 8, 16, 16]"
    strides = [node.operator.stride for node in graph.nodes if node.operator.name == "conv"]
    assert strides[0] == Size(1, 1)


def test_a_stage_passes_words_on(net: Net, build: Build) -> None:
    graph = build(net("stage layer1(skip = none) { a: unit(8) }\noutput y", UNIT))
    assert operators(graph) == ["conv"]


def test_a_stage_without_arguments_is_a_scope(net: Net, build: Build) -> None:
    graph = build(net("stage layer1 { a: unit(3) }\noutput y", UNIT))
    assert list(graph.parameters) == ["layer1.a.conv1.weight"]


def test_the_shape_after_a_stage_is_that_of_its_end(net: Net, codes: Codes) -> None:
    assert codes(net("stage a(stride = 2) { 2 x unit(8) } -> [N, 8, 16, 16]\noutput y", UNIT)) == []


# --- residuals: He et al. 2015, section 3.3 --------------------------------------------------------------------------


def test_identity_is_the_shortcut_when_none_is_written(net: Net, build: Build) -> None:
    graph = build(net("residual { conv1: conv(3, 3x3) }\noutput y"))
    assert operators(graph) == ["conv", "add"]
    assert result(graph).inputs == (1, 0)


def test_projection_is_used_only_where_the_shape_changes(net: Net, build: Build) -> None:
    graph = build(net("a: unit(3)\nb: unit(8)\nc: unit(8)\nd: unit(8, stride = 2)\noutput y", UNIT))
    names = [name.removesuffix(".weight") for name in graph.parameters]
    assert names == ["a.conv1", "b.conv1", "b.down", "c.conv1", "d.conv1", "d.down"]


def test_projection_always_is_used_where_the_shape_stays(net: Net, build: Build) -> None:
    graph = build(net("a: unit(3, skip = projection_always)\noutput y", UNIT))
    assert list(graph.parameters) == ["a.conv1.weight", "a.down.weight"]


def test_a_body_without_a_kind_is_taken_always(net: Net, build: Build) -> None:
    graph = build(net("residual { a: conv(3, 3x3, stride = 2) } shortcut { maxpool(1x1, stride = 2) }\noutput y"))
    assert operators(graph) == ["conv", "maxpool", "add"]
    graph = build(net("residual { a: conv(3, 3x3) } shortcut { b: conv(3, 1x1) }\noutput y"))
    assert operators(graph) == ["conv", "conv", "add"]


def test_none_leaves_the_main_path_alone(net: Net, build: Build) -> None:
    graph = build(net("a: unit(8, stride = 2, skip = none)\noutput y", UNIT))
    assert operators(graph) == ["conv"]
    assert list(graph.parameters) == ["a.conv1.weight"]


def test_option_a_subsamples_and_adds_zero_channels_at_the_end(net: Net, build: Build) -> None:
    graph = build(net("a: unit(8, stride = 2, skip = pad)\noutput y", UNIT))
    assert operators(graph) == ["conv", "maxpool", "pad", "add"]
    _, _, pool, pad, _ = graph.nodes
    assert (pool.operator.kernel, pool.operator.stride) == (Size(1, 1), Size(2, 2))
    assert (pad.operator.before, pad.operator.after) == (0, 5)
    assert list(graph.parameters) == ["a.conv1.weight"]


def test_option_a_can_split_the_zero_channels(net: Net, build: Build) -> None:
    graph = build(net("a: unit(8, stride = 2, skip = pad(zeros = both))\noutput y", UNIT))
    pad = next(node.operator for node in graph.nodes if node.operator.name == "pad")
    # 5 new channels: the odd one after.
    assert (pad.before, pad.after, pad.sides) == (2, 3, Sides(0, 0, 0, 0))


def test_option_a_is_the_identity_where_the_shape_stays(net: Net, build: Build) -> None:
    graph = build(net("a: unit(3, skip = pad)\noutput y", UNIT))
    assert operators(graph) == ["conv", "add"]


@pytest.mark.parametrize("size", [31, 32, 33, 7])
def test_option_a_agrees_with_a_strided_convolution_at_every_size(size: int, net: Net, build: Build) -> None:
    # A 3x3 window with padding 1 and stride s has ceil(size / s) places, as many as every s-th pixel.
    graph = build(net("a: unit(8, stride = 2, skip = pad)\noutput y", UNIT, shape=f"N, 3, {size}, {size}"))
    assert shape(graph) == f"[N, 8, {-(-size // 2)}, {-(-size // 2)}]"


def test_option_a_works_on_symbolic_sizes(net: Net, build: Build) -> None:
    graph = build(net("a: unit(8, stride = 2, skip = pad)\noutput y", UNIT, shape="N, 3, H, W"))
    assert "maxpool" in operators(graph)


@pytest.mark.parametrize("kind", ["identity", "pad", "projection", "projection_always", "none"])
def test_the_kind_of_shortcut_may_be_a_parameter_of_the_model(kind: str, net: Net, build: Build) -> None:
    text = net("a: unit(3, skip = skip)\noutput y", UNIT, parameters="skip: shortcut = identity")
    graph = build(text, arguments={"skip": kind})
    assert ("down" in " ".join(graph.parameters)) == (kind == "projection_always")


def test_the_main_path_is_scaled(net: Net, build: Build) -> None:
    graph = build(net("residual(scale = 0.17) { conv1: conv(3, 3x3) }\noutput y"))
    assert operators(graph) == ["conv", "scale", "add"]
    assert graph.nodes[2].operator.factor == 0.17
    assert graph.nodes[2].inputs == (1,)


def test_a_scale_of_1_is_no_operator(net: Net, build: Build) -> None:
    assert operators(build(net("residual(scale = 1) { conv1: conv(3, 3x3) }\noutput y"))) == ["conv", "add"]


def test_a_kind_of_shortcut_can_be_compared_with(net: Net, build: Build) -> None:
    block = "block b(skip: shortcut = pad) {\n  if skip == pad { relu } else { tanh }\n}"
    assert operators(build(net("b\nb(skip = none)\noutput y", block))) == ["relu", "tanh"]


# --- joins -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("join", "expected"),
    [("concat", "[N, 6, 32, 32]"), ("add", "[N, 3, 32, 32]"), ("mul", "[N, 3, 32, 32]"), ("mean", "[N, 3, 32, 32]")],
)
def test_every_statement_of_a_join_is_a_branch_from_the_same_value(
    join: str, expected: str, net: Net, build: Build
) -> None:
    graph = build(net(f"tanh\n{join} {{ identity; relu }}\noutput y"))
    assert operators(graph) == ["tanh", "relu", join]
    assert result(graph).inputs == (1, 2)
    assert shape(graph) == expected


def test_a_branch_of_several_statements_is_a_group(net: Net, build: Build) -> None:
    graph = build(net("concat { { relu; tanh }; sigmoid }\noutput y"))
    assert [node.inputs for node in graph.nodes] == [(), (0,), (1,), (0,), (2, 3)]


def test_joins_nest(net: Net, build: Build) -> None:
    graph = build(net("concat { add { identity; relu }; concat { identity; identity } }\noutput y"))
    assert shape(graph) == "[N, 9, 32, 32]"


def test_a_loop_around_branches_gives_branches(net: Net, build: Build) -> None:
    graph = build(net("concat { identity; for i in 1..3 { branch{i}: conv(i, 1x1) } }\noutput y"))
    assert shape(graph) == "[N, 9, 32, 32]"
    assert result(graph).inputs == (0, 1, 2, 3)


def test_a_condition_around_branches_gives_branches_or_none(net: Net, build: Build) -> None:
    text = net("concat { identity; if pooled { maxpool(3x3) } }\noutput y", parameters="pooled = true")
    assert shape(build(text)) == "[N, 6, 32, 32]"
    assert shape(build(text, arguments={"pooled": False})) == "[N, 3, 32, 32]"


def test_mul_broadcasts_a_gate(net: Net, build: Build) -> None:
    graph = build(net("mul { identity; { avgpool(global); sigmoid } }\noutput y"))
    assert shape(graph) == "[N, 3, 32, 32]"


# --- taps ------------------------------------------------------------------------------------------------------------


def test_a_tap_starts_a_branch_from_a_named_value(net: Net, build: Build) -> None:
    graph = build(net("a: conv(8, 3x3)\ntap low\nrelu\ntanh\nadd { identity; from low { sigmoid } }\noutput y"))
    assert operators(graph) == ["conv", "relu", "tanh", "sigmoid", "add"]
    assert graph.nodes[4].inputs == (1,)
    assert result(graph).inputs == (3, 4)


def test_from_outside_a_join_continues_from_the_named_value(net: Net, build: Build) -> None:
    graph = build(net("a: conv(8, 3x3)\ntap low\nrelu\noutput high\nfrom low { tanh }\noutput y"))
    assert result(graph, 1).inputs == (1,)


def test_an_empty_from_is_the_named_value_itself(net: Net, build: Build) -> None:
    graph = build(net("relu\ntap low\ntanh\nadd { identity; from low { } }\noutput y"))
    assert result(graph).inputs == (2, 1)


def test_a_tap_set_in_a_group_is_seen_in_the_whole_model(net: Net, build: Build) -> None:
    graph = build(net("stage one { relu; tap c2 }\ntanh\nadd { identity; from c2 { sigmoid } }\noutput y"))
    assert graph.nodes[3].inputs == (1,)


def test_a_tap_of_the_main_path_is_seen_in_the_shortcut(net: Net, build: Build) -> None:
    lines = "residual {\n relu; tap pre\n a: conv(8, 3x3)\n} shortcut projection {\n from pre { b: conv(8, 1x1) }\n}"
    graph = build(net(f"{lines}\noutput y"))
    assert operators(graph) == ["relu", "conv", "conv", "add"]
    assert graph.nodes[3].inputs == (1,)


def test_each_call_of_a_block_has_taps_of_its_own(net: Net, build: Build) -> None:
    block = "block b() {\n  relu\n  tap here\n  tanh\n  add { identity; from here { sigmoid } }\n}"
    graph = build(net("b\nb\noutput y", block))
    assert [node.inputs for node in graph.nodes if node.operator.name == "sigmoid"] == [(1,), (5,)]


def test_a_tap_of_the_model_is_not_seen_in_a_block(net: Net, codes: Codes) -> None:
    block = "block b() {\n  from low { relu }\n}"
    assert "E0606" in codes(net("tap low\nb\noutput y", block))


# --- loops and conditions --------------------------------------------------------------------------------------------


def test_a_loop_includes_both_ends(net: Net, build: Build) -> None:
    graph = build(net("for i in 2..4 { a{i}: conv(i, 1x1) }\noutput y"))
    assert list(graph.parameters) == ["a2.weight", "a3.weight", "a4.weight"]


def test_a_loop_from_a_larger_to_a_smaller_number_does_nothing(net: Net, build: Build) -> None:
    assert operators(build(net("for i in 1..0 { relu }\noutput y"))) == []


def test_loop_bounds_are_expressions(net: Net, build: Build) -> None:
    graph = build(net("for i in n - 1..2 * n { relu }\noutput y", parameters="n = 3"))
    assert len(operators(graph)) == 5


@pytest.mark.parametrize(("value", "expected"), [(1, "relu"), (2, "tanh"), (3, "sigmoid")])
def test_a_condition_chooses(value: int, expected: str, net: Net, build: Build) -> None:
    text = net("if n == 1 { relu } else if n == 2 { tanh } else { sigmoid }\noutput y", parameters="n = 1")
    assert operators(build(text, arguments={"n": value})) == [expected]


def test_a_condition_without_else_may_do_nothing(net: Net, build: Build) -> None:
    assert operators(build(net("if false { relu }\noutput y"))) == []


def test_what_is_not_chosen_is_not_carried_out(net: Net, build: Build) -> None:
    assert operators(build(net("if true { relu } else { a: conv(1 // 0, 3x3) }\noutput y"))) == ["relu"]


def test_a_const_holds_from_its_line_on_in_its_body(net: Net, build: Build, codes: Codes) -> None:
    graph = build(net("const w = 4\nconst v = w * 2\na: conv(v, 3x3)\noutput y"))
    assert shape(graph) == "[N, 8, 32, 32]"
    assert codes(net("{ const w = 4; a: conv(w, 3x3) }\nb: conv(w, 3x3)\noutput y")) == ["E0201"]


def test_a_const_may_be_set_anew_in_an_inner_body(net: Net, build: Build) -> None:
    graph = build(net("const w = 4\n{ const w = 8; a: conv(w, 1x1) }\nb: conv(w, 1x1)\noutput y"))
    assert [graph.parameters[name].shape[0] for name in ("a.weight", "b.weight")] == [8, 4]


def test_a_const_of_the_file_is_seen_in_blocks_and_models(net: Net, build: Build) -> None:
    head = "const base = 4\nconst wide = 2 * base\nblock b(width = wide) {\n  a: conv(width + base, 1x1)\n}"
    assert shape(build(net("b\noutput y", head))) == "[N, 12, 32, 32]"


# --- defaults --------------------------------------------------------------------------------------------------------


def eps(graph: Graph) -> list[float]:
    return [node.operator.eps for node in graph.nodes if node.operator.name == "bn"]


def test_a_default_holds_for_everything_that_the_model_builds(net: Net, build: Build) -> None:
    head = "block b() {\n  n: bn\n}"
    assert eps(build(net("default bn(eps = 1e-3)\nn1: bn\nc: b\nn2: bn(eps = 0.5)\noutput y", head))) == [
        1e-3,
        1e-3,
        0.5,
    ]


def test_a_later_default_adds_to_an_earlier_one(net: Net, build: Build) -> None:
    graph = build(net("default conv(bias = true)\ndefault conv(stride = 2)\na: conv(4, 3x3)\noutput y"))
    assert list(graph.parameters) == ["a.weight", "a.bias"]
    assert shape(graph) == "[N, 4, 16, 16]"


def test_a_default_of_a_called_model_stays_in_it(net: Net, build: Build) -> None:
    head = "model m() {\n  input x: f32[N, 3, 32, 32]\n  default bn(eps = 0.25)\n  n: bn\n  output y\n}"
    assert eps(build(net("a: bn\nb: m\nc: bn\noutput y", head), model="net")) == [1e-5, 0.25, 1e-5]


# --- what stands where it cannot -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ("{ input again: f32[N, 3, 32, 32] }\noutput y", ""),
        ("if true { input again: f32[N, 3, 32, 32] }\noutput y", ""),
        ('a: { labels "imagenet1k" }\noutput y', ""),
        ("a: { preprocess { crop(8) } }\noutput y", ""),
        ("b\noutput y", "block b() {\n  output z\n}"),
        ("b\noutput y", "block b() {\n  default bn(eps = 1)\n}"),
        ("b\noutput y", "block b() {\n  expect depth == 0\n}"),
        ("b\noutput y", "block b() {\n  input x: f32[N, 3, 32, 32]\n}"),
        ("add { identity; output y }", ""),
    ],
)
def test_a_misplaced_statement_is_reported(body: str, head: str, net: Net, codes: Codes) -> None:
    assert codes(net(body, head)) == ["E0609"]


def test_an_output_may_stand_in_a_stage(net: Net, build: Build) -> None:
    graph = build(net("stage a { relu; output low }\ntanh\noutput high"))
    assert [output.name for output in graph.outputs] == ["low", "high"]


# --- repeated bodies and loops over rows -----------------------------------------------------------------------------


def test_each_repetition_of_a_body_is_numbered_like_a_repeated_call(net: Net, build: Build) -> None:
    graph = build(net("a: 2 x { conv(8, 3x3); bn; relu }\nstage s { 2 x { c: conv(8, 3x3); relu } }\noutput y"))
    weights = [name for name in graph.parameters if name.endswith(".weight")]
    assert weights == ["a.0.0.weight", "a.0.1.weight", "a.1.0.weight", "a.1.1.weight", "s.0.c.weight", "s.1.c.weight"]
    assert operators(graph) == ["conv", "bn", "relu"] * 2 + ["conv", "relu"] * 2


def test_a_repeated_body_is_the_repeated_call_of_a_block_of_that_body(net: Net, build: Build) -> None:
    body = "conv1: conv(channels * 2, 3x3); bn1: bn; relu"
    inline = build(net(f"a: 3 x {{ {body} }}\noutput y"))
    called = build(net("a: 3 x unit\noutput y", f"block unit() {{ {body} }}"))
    assert inline.parameters.keys() == called.parameters.keys()
    assert [node.type for node in inline.nodes] == [node.type for node in called.nodes]


def test_an_unlabelled_repeated_body_is_named_and_warned_of(net: Net, check: Check) -> None:
    graph, diagnostics = check(net("2 x { conv(8, 3x3) }\n2 x { relu }\noutput y"))
    assert list(graph.parameters) == ["repeat.0.weight", "repeat_2.0.weight"]
    assert [found.code.id for found in diagnostics] == ["W0501"]


def test_arguments_of_a_stage_go_to_the_first_block_in_a_repeated_body(net: Net, build: Build) -> None:
    graph = build(net("stage s(stride = 2) { 2 x { unit(8) } }\noutput y", UNIT))
    assert shape(graph) == "[N, 8, 16, 16]"


def test_a_repeated_body_is_one_branch_of_a_join(net: Net, build: Build) -> None:
    graph = build(net("concat { identity; a: 2 x { conv(8, 3x3) } }\noutput y"))
    assert shape(graph) == "[N, 11, 32, 32]"


def test_a_loop_over_rows_is_its_table_written_out(net: Net, build: Build) -> None:
    table = "[[8, 2, 1], [16, 1, 2]]"
    loop = build(net(f"a: {{ for (width, n, s) in {table} {{ n x conv(width, 3x3, stride = s) }} }}\noutput y"))
    written = build(net("a: { 2 x conv(8, 3x3, stride = 1); 1 x conv(16, 3x3, stride = 2) }\noutput y"))
    assert loop.parameters.keys() == written.parameters.keys()
    assert [node.type for node in loop.nodes] == [node.type for node in written.nodes]


@pytest.mark.parametrize(
    ("loop", "widths"),
    [
        ("for w in [4, 8] { c{w}: conv(w, 1x1) }", [4, 8]),
        ("for w in widths { c{w}: conv(w, 1x1) }", [2, 6]),
        ("for w in widths + [7] { c{w}: conv(w, 1x1) }", [2, 6, 7]),
        ("for w in [] { c{w}: conv(w, 1x1) }", []),
        ("for row in [[4, 1], [8, 1]] { c{row[0]}: conv(row[0], row[1]) }", [4, 8]),
        ("for (w, _, _) in [[4, 1, true], [8, 1, \"\"]] { c{w}: conv(w, 1x1) }", [4, 8]),
        ("for (w) in [[4]] { c{w}: conv(w, 1x1) }", [4]),
        ("for (i, f) in [[1, wide], [2, narrow]] { c{i}: f(i) }", [4, 2]),
    ],
)  # fmt: skip
def test_a_loop_takes_the_items_of_a_list(loop: str, widths: list[int], net: Net, build: Build) -> None:
    head = "const widths = [2, 6]\nblock wide(i) { a: conv(4 * i, 1x1) }\nblock narrow(i) { a: conv(i, 1x1) }"
    graph = build(net(f"{loop}\nidentity\noutput y", head))
    assert [node.type.channels for node in graph.nodes[1:-1]] == widths


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        ("for (a, b) in [[1, 2], [3, 4, 5]] { c{a}: conv(8, 1x1) }", ["E0209"]),
        ("for (a, b) in [[1, 2], 3] { c{a}: conv(8, 1x1) }", ["E0209"]),
        ("for (a, b) in [3x3] { c{a}: conv(8, 1x1) }", ["E0209"]),
        ("for (a, a) in [[1, 2]] { c{a}: conv(8, 1x1) }", ["E0211"]),
        ("for (a, b) in 1..3 { c{a}: conv(8, 1x1) }", ["E0209"]),
        ("for a in 3 { c{a}: conv(8, 1x1) }", ["E0214"]),
        ("for a in 3x3 { c{a}: conv(8, 1x1) }", ["E0214"]),
        ('for a in "ab" { c{a}: conv(8, 1x1) }', ["E0214"]),
        ("for (a, b) in [[1, unknown]] { c{a}: conv(b, 1x1) }", ["E0201"]),
        ("for a in [1, 2] { c: conv(8, 1x1) }", ["E0605"]),
    ],
)
def test_a_loop_over_what_is_no_list_of_such_rows_is_an_error(
    loop: str, expected: list[str], net: Net, codes: Codes
) -> None:
    assert codes(net(f"{loop}\noutput y")) == expected


def test_a_loop_over_a_number_is_fixed_to_a_range(net: Net, check: Check) -> None:
    _, diagnostics = check(net("for i in n { c{i}: conv(8, 1x1) }\noutput y", parameters="n = 2"))
    (error,) = diagnostics.errors
    assert [edit.replacement for edit in error.fix.edits] == ["1..n"]


@pytest.mark.parametrize("word", ["True", "TRUE", "true"])
def test_python_s_booleans_are_fixed(word: str, net: Net, check: Check) -> None:
    _, diagnostics = check(net(f"c: conv(8, 1x1, bias = {word})\noutput y"))
    fixes = [edit.replacement for error in diagnostics.errors for edit in error.fix.edits]
    assert fixes == ([] if word == "true" else ["true"])


# --- the shortcut of a residual --------------------------------------------------------------------------------------


@pytest.mark.parametrize("condition", ["width == channels", "(width == channels)"])
def test_a_shortcut_is_chosen_by_the_channels_that_enter_the_residual(condition: str, net: Net, build: Build) -> None:
    head = f"block b(width) {{ residual {{ c: conv(width, 1x1) }} shortcut (identity if {condition} else none) }}"
    graph = build(net("x: b(3); y: b(8)\noutput z", head))
    assert operators(graph) == ["conv", "add", "conv"]
