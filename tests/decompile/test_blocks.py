"""Blocks of a graph: which groups become one, and the parameters in which they differ."""

from __future__ import annotations

import re

import pytest

from resdsl.decompile.program import Blocks, decompile
from resdsl.decompile.text import program_text

from ..building import network
from .round_trip import written


def text_of(body: str, shape: str = "N, 16, 32, 32", *, library: bool = False) -> str:
    """The text that is written for a model, which is the same network."""
    return written(network(f"{body}\n  output y", shape), library=library).text


def block(text: str) -> tuple[str, str]:
    """The head and the body of the only block of a text, each on one line."""
    (found,) = re.findall(r"^block (.*?) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    return found[0], " ".join(found[1].split())


def calls(text: str) -> list[str]:
    name = block(text)[0].partition("(")[0]
    return re.findall(rf"(?<!block )\b{name}\b(?:\([^)]*\))?", text)


def test_channels_that_follow_from_each_other_are_one_parameter() -> None:
    text = text_of(
        "\n".join(
            f"part{width}: {{ a: conv({width}, 1x1);  relu;  b: conv({4 * width}, 3x3);  c: conv({width // 2}, 1x1) }}"
            for width in (8, 16, 24)
        )
    )
    head, body = block(text)
    assert head == "part(width)"
    assert body == "a: conv(width, 1x1); relu b: conv(4 * width, 3x3) c: conv(width // 2, 1x1)"
    assert calls(text) == ["part(8)", "part(16)", "part(24)"]


def test_channels_of_the_input_are_no_parameter() -> None:
    text = text_of(
        "\n".join(
            f"x{i}: {{ a: conv({width}, 3x3, groups = {width});  relu;  b: conv({2 * width}, 1x1) }}"
            for i, width in enumerate((16, 32, 64))
        )
    )
    head, body = block(text)
    assert "(" not in head
    assert body == "a: conv(channels_in, 3x3, groups = channels); relu b: conv(2 * channels_in, 1x1)"


@pytest.mark.parametrize(
    ("argument", "values", "parameter"),
    [
        ("stride", ("1", "2", "1"), "stride = 1"),
        ("kernel", ("3x3", "5x5", "3x3"), "kernel: size = 3x3"),
        # Channels follow from counts, so the first count has no default.
        ("groups", ("2", "4", "2"), "groups"),
        ("dilation", ("1", "2", "1"), "dilation = 1"),
    ],
)
def test_an_argument_that_differs_is_a_parameter_with_the_usual_value(
    argument: str, values: tuple[str, ...], parameter: str
) -> None:
    kernels = values if argument == "kernel" else ("3x3",) * 3
    others = [f", {argument} = {value}" if argument != "kernel" else "" for value in values]
    text = text_of(
        "\n".join(
            f"part{i}: {{ a: conv(16, {kernel}{other});  norm: bn;  relu;  b: conv(16, 3x3);  relu }}"
            for i, (kernel, other) in enumerate(zip(kernels, others, strict=True))
        )
    )
    head, body = block(text)
    assert head == f"part({parameter})"
    assert f"{argument} = {argument}" in body or "conv(16, kernel)" in body
    if "=" in parameter:
        # Only the one that differs states it.
        assert len([one for one in calls(text) if "(" in one]) == 1


def test_a_residual_block_projects_where_the_shape_changes() -> None:
    plain = "residual {{ conv1: conv({0}, 3x3, stride = {1});  bn1: bn;  relu;  conv2: conv({0}, 3x3) }}"
    down = " shortcut projection_always {{ down: conv({0}, 1x1, stride = {1}) }}"
    text = text_of(
        f"""
        stem.0: {{ {plain.format(16, 1)};  relu }}
        stem.1: {{ {(plain + down).format(32, 2)};  relu }}
        stem.2: {{ {plain.format(32, 1)};  relu }}
        stem.3: {{ {(plain + down).format(64, 2)};  relu }}
        """
    )
    head, body = block(text)
    assert re.fullmatch(r"\w+\(width, stride = 1\)", head)
    assert "shortcut projection { down: conv(width, 1x1, stride = stride) }" in body


def test_an_optional_part_is_a_condition() -> None:
    first = "conv1: conv({0}, 3x3);  bn1: bn;  relu;  conv2: conv({0}, 3x3);  bn2: bn;  relu;  conv3: conv({0}, 3x3)"
    gate = ";  mul {{ identity;  {{ avgpool(global);  fc: conv({0}, 1x1);  sigmoid }} }}"
    text = text_of(
        f"""
        part1: {{ {first.format(16)} }}
        part2: {{ {(first + gate).format(24)} }}
        part3: {{ {(first + gate).format(32)} }}
        part4: {{ {first.format(48)} }}
        """
    )
    head, body = block(text)
    assert re.search(r"\bwith_\w+ = (true|false)", head)
    assert re.search(r"if with_\w+ \{ mul \{", body)
    assert [("with_" in one) for one in calls(text)].count(True) == 2


def test_what_would_take_too_many_parameters_is_no_block() -> None:
    def layers(i: int) -> str:
        return ";  ".join(f"c{j}: conv({(7 * i + 3 * j * j) % 29 + 1}, 3x3)" for j in range(9))

    text = text_of("\n".join(f"part{i}: {{ {layers(i)} }}" for i in range(3)))
    assert "block" not in text


def test_groups_with_other_labels_or_operators_are_no_instances() -> None:
    text = text_of(
        """
        part1: { a: conv(8, 3x3);  relu;  b: conv(8, 3x3);  relu }
        part2: { a: conv(8, 3x3);  relu;  c: conv(8, 3x3);  relu }
        part3: { a: conv(8, 3x3);  tanh;  b: conv(8, 3x3);  relu }
        """
    )
    assert "block" not in text


def test_a_block_that_saves_nothing_is_not_made() -> None:
    assert "block" not in text_of("part1: { a: conv(8, 3x3);  relu }\n  part2: { a: conv(8, 3x3);  relu }")


def test_a_value_that_leaves_a_group_keeps_it_inline() -> None:
    part = "a: conv(16, 3x3);  relu;  {}b: conv(16, 3x3);  relu;  c: conv(16, 3x3)"
    closed = "\n".join(f"part{i}: {{ {part.format('')} }}" for i in range(3))
    assert block(text_of(closed))[0] == "part"
    opened = "\n".join(f"part{i}: {{ {part.format(f'output inner{i};  ')} }}" for i in range(3))
    assert "block" not in text_of(opened)


def test_blocks_are_named_by_classes_and_never_like_operators() -> None:
    body = "\n".join(
        f"part{i}: {{ a: conv({8 * i}, 3x3);  norm: bn;  relu;  b: conv({8 * i}, 3x3) }}" for i in (1, 2, 3)
    )
    graph = network(f"{body}\n  output y")
    for name, expected in {
        "BasicConv2d": "basic_conv2d",
        "SEBlock": "se_block",
        "Conv": "conv_block",
        "If": "if_block",
        "Concat": "concat_block",
        "Channels": "channels_block",
        "net": "net2",
        "3D": "_3_d",
        "Größe": "gr__e",
    }.items():
        classes = {f"part{i}": name for i in (1, 2, 3)}
        text = program_text(decompile(graph, classes=classes))
        assert block(text)[0].partition("(")[0] == expected


def test_a_block_of_one_kind_of_operator_is_not_named_like_it() -> None:
    part = "a{0}.0: conv({1}, 3x3);  a{0}.1: conv({1}, 3x3);  a{0}.2: conv({1}, 3x3);  a{0}.3: conv({1}, 1x1)"
    text = text_of("\n".join(part.format(i, 8 * i * i) for i in (1, 2, 3, 4)))
    assert block(text)[0] == "conv_block(width)"


def test_padding_as_in_tensorflow_is_no_parameter_of_a_stride() -> None:
    """Of a stride of 1, `same` and `half` are the same numbers."""
    text = text_of(
        "\n".join(
            f"part{place}: {{ a: conv(8, 3x3, stride = {stride}, pad = {pad});  b: bn;  relu;  c: conv({width}, 1x1) }}"
            for place, (stride, pad, width) in enumerate([(2, "same", 8), (1, "half", 8), (2, "same", 16)], start=1)
        )
    )
    head, body = block(text)
    assert "pad" not in head
    assert "a: conv(8, 3x3, stride = stride, pad = same)" in body


def test_a_padding_that_differs_is_a_parameter() -> None:
    text = text_of(
        "\n".join(
            f"part{place}: {{ a: conv(8, 3x3, stride = 2, pad = {pad});  b: bn;  relu;  c: conv(16, 1x1);  d: bn }}"
            for place, pad in enumerate(["same", "half", "same"], start=1)
        )
    )
    assert "pad: {half, same}" in block(text)[0]


def test_a_parameter_and_a_block_have_different_names() -> None:
    """A parameter hides a block of its name, and the text would be another network without blocks."""

    def gated(width: int, inner: int) -> str:
        gate = f"avgpool(global);  fc1: conv({inner}, 1x1);  relu;  fc2: conv({width}, 1x1);  sigmoid"
        return f"attn: {{ mul {{ identity; {{ {gate} }} }} }}"

    parts = [
        f"part{inner}: {{ a: conv({width}, 3x3);  n: bn;  relu;  c: conv({width}, 3x3);  bn\n{gated(width, inner)} }}"
        for width, inner in ((16, 6), (24, 10), (32, 7))
    ]
    body = "\n".join([*parts, f"last: {{ b: bn;  relu;  {gated(32, 5)} }}", "output y"])
    found = written(network(body, "N, 16, 32, 32"), library=False)
    assert found.blocks is Blocks.VARIANTS
    parameters = {one.name for made in found.program.blocks for one in made.fit.parameters}
    assert len(found.program.blocks) == 2
    assert parameters.isdisjoint(made.name for made in found.program.blocks)


def test_a_stride_is_1_unless_a_call_says_otherwise() -> None:
    text = text_of(
        "\n".join(f"part{i}: {{ a: conv(16, 3x3, stride = {s});  relu;  b: bn }}" for i, s in enumerate((2, 2, 1)))
    )
    assert block(text)[0] == "part(stride = 1)"
