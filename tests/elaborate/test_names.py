"""Names are those of the checkpoint: the path of labels and the name of the parameter."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from resdsl.ir.graph import Graph

Build = Callable[..., Graph]
Net = Callable[..., str]
Codes = Callable[..., list[str]]

STEM = """block stem(width) {
  conv1: conv(width, 3x3)
}"""


def weights(graph: Graph) -> list[str]:
    return [name for name in graph.parameters if name.endswith(".weight")]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("conv1: conv(8, 3x3)", ["conv1.weight"]),
        ("0: conv(8, 3x3)", ["0.weight"]),
        ("features.conv0: conv(8, 3x3)", ["features.conv0.weight"]),
        ("for i in 1..2 { layer{i}: conv(8, 3x3) }", ["layer1.weight", "layer2.weight"]),
        ("for i in 1..2 { layer{2 * i - 1}: conv(8, 3x3) }", ["layer1.weight", "layer3.weight"]),
        ("for i in 0..1 { blocks.{i}.conv: conv(8, 3x3) }", ["blocks.0.conv.weight", "blocks.1.conv.weight"]),
        ("for i in 1..2 { for j in 1..2 { a{i}_{j}: conv(8, 3x3) } }",
         ["a1_1.weight", "a1_2.weight", "a2_1.weight", "a2_2.weight"]),
        # A labelled group numbers what has no label, by position: operators without weights count.
        ("down: { conv(8, 1x1); relu; conv(8, 1x1) }", ["down.0.weight", "down.2.weight"]),
        # ... and what has a label counts as well, as torch's Sequential does not, but a list of children does.
        ("down: { a: conv(8, 1x1); conv(8, 1x1) }", ["down.a.weight", "down.1.weight"]),
        # A group without a label is transparent.
        ("{ conv1: conv(8, 3x3) }", ["conv1.weight"]),
        ("outer: { { conv(8, 3x3) }; conv(8, 3x3) }", ["outer.0.weight", "outer.1.weight"]),
        ("blocks: 3 x stem(8)", ["blocks.0.conv1.weight", "blocks.1.conv1.weight", "blocks.2.conv1.weight"]),
        ("convs: 2 x conv(8, 3x3)", ["convs.0.weight", "convs.1.weight"]),
        ("stage layer1 { 2 x stem(8) }", ["layer1.0.conv1.weight", "layer1.1.conv1.weight"]),
        ("stage layer1 { 1 x stem(8); 1 x stem(4) }", ["layer1.0.conv1.weight", "layer1.1.conv1.weight"]),
        ("stage layer1 { blocks: 2 x stem(8) }", ["layer1.blocks.0.conv1.weight", "layer1.blocks.1.conv1.weight"]),
        ("for i in 1..2 { stage layer{i} { a: stem(8) } }", ["layer1.a.conv1.weight", "layer2.a.conv1.weight"]),
        # Without a label in the body of a model or block: the name of the operator or block, then counted.
        ("conv(8, 3x3); conv(8, 3x3)", ["conv.weight", "conv_2.weight"]),
        ("stem(8); stem(8)", ["stem.conv1.weight", "stem_2.conv1.weight"]),
        # A join or residual with a label is a scope.
        ("mixed: concat { a: conv(8, 1x1); b: conv(8, 3x3) }", ["mixed.a.weight", "mixed.b.weight"]),
        ("mixed: concat { conv(8, 1x1); conv(8, 3x3) }", ["mixed.0.weight", "mixed.1.weight"]),
        ("concat { branch0: { conv(8, 1x1) }; branch1: { conv(8, 1x1); conv(8, 3x3) } }",
         ["branch0.0.weight", "branch1.0.weight", "branch1.1.weight"]),
        ("unit: residual { conv1: conv(3, 3x3) }", ["unit.conv1.weight"]),
        ("residual { conv1: conv(3, 3x3) }", ["conv1.weight"]),
        ("residual { conv1: conv(8, 3x3) } shortcut projection { down: { conv(8, 1x1); bn } }",
         ["conv1.weight", "down.0.weight", "down.1.weight"]),
        ("a: for i in 1..2 { conv(8, 3x3) }", None),
        ("tap low; relu; from low { side: conv(8, 3x3) }", ["side.weight"]),
    ],
)  # fmt: skip
def test_a_tensor_is_named_by_its_labels(
    line: str, names: list[str] | None, net: Net, build: Build, codes: Codes
) -> None:
    text = net(f"{line}\noutput y", STEM)
    if names is None:
        # A label stands before what can be a scope; a loop is none.
        assert codes(text)
    else:
        assert weights(build(text)) == names


def test_a_batch_norm_has_the_four_tensors_of_torch(net: Net, build: Build) -> None:
    graph = build(net("bn1: bn\noutput y"))
    assert list(graph.parameters) == ["bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var"]
    assert graph.parameter_count == 6


def test_every_node_has_a_name_of_its_own(net: Net, build: Build) -> None:
    lines = "2 x conv(3, 3x3); relu; relu; residual { relu }; residual { relu }; add { identity; relu }\noutput y"
    paths = [node.path for node in build(net(lines)).nodes]
    assert len(set(paths)) == len(paths)


def test_joins_take_no_number_in_a_numbered_group(net: Net, build: Build) -> None:
    graph = build(net("list: { conv(3, 1x1); add { identity; relu }; conv(3, 1x1) }\noutput y"))
    # conv, the branch's relu, conv: the sum itself is no entry of the list.
    assert weights(graph) == ["list.0.weight", "list.2.weight"]


def test_an_operator_without_weights_may_lack_a_label_without_a_warning(net: Net, codes: Codes) -> None:
    assert codes(net("conv1: conv(8, 3x3); relu; maxpool(3x3, stride = 2)\noutput y")) == []


def test_numbers_in_a_labelled_group_are_no_warning(net: Net, codes: Codes) -> None:
    assert codes(net("down: { conv(8, 3x3); bn }\noutput y")) == []


def test_a_block_without_a_label_that_has_weights_is_warned_of(net: Net, codes: Codes) -> None:
    assert codes(net("stem(8)\noutput y", STEM)) == ["W0501"]
