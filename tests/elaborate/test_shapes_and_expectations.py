"""Checked shapes, expectations, symbolic sizes, and the input's shape replaced."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from resdsl.diagnostics import Diagnostics
from resdsl.ir.graph import Graph

Build = Callable[..., Graph]
Check = Callable[..., tuple[Graph | None, Diagnostics]]
Net = Callable[..., str]
Codes = Callable[..., list[str]]

# 3x3 windows over 3 channels: 3 * 9 * 8 = 216 weights, used at each of 32 * 32 places.
CONV = "a: conv(8, 3x3)\noutput y\n"


@pytest.mark.parametrize(
    "claim",
    [
        "[N, 8, 32, 32]",
        "[_, 8, _, _]",
        "[_, _, _, _]",
        "[N, 2 * 4, 64 // 2, min(32, 40)]",
    ],
)
def test_a_true_annotation_is_silent(claim: str, net: Net, codes: Codes) -> None:
    assert codes(net(f"a: conv(8, 3x3) -> {claim}\noutput y")) == []


@pytest.mark.parametrize("claim", ["[N, 8, 32, 31]", "[N, 8]", "[N, 8, 32, 32, 1]", "[2, 8, 32, 32]", "[_, 3, _, _]"])
def test_a_wrong_annotation_is_reported(claim: str, net: Net, codes: Codes) -> None:
    assert codes(net(f"a: conv(8, 3x3) -> {claim}\noutput y")) == ["E0501"]


@pytest.mark.parametrize(
    "statement",
    [
        "relu",
        "{ relu }",
        "group: { relu }",
        "a: 2 x relu",
        "residual { relu }",
        "add { identity; relu }",
        "stage s { relu }",
        "for i in 1..2 { relu }",
        "if true { relu }",
        "tap t\nfrom t { relu }",
    ],
)
def test_annotations_stand_after_every_kind_of_statement(statement: str, net: Net, codes: Codes) -> None:
    assert codes(net(f"{statement} -> [N, 3, 32, 32]\noutput y")) == []
    assert codes(net(f"{statement} -> [N, 4, 32, 32]\noutput y")) == ["E0501"]


def test_symbols_of_the_input_are_carried(net: Net, build: Build, codes: Codes) -> None:
    lines = "a: conv(8, 7x7, stride = 2) -> [N, 8, (H + 1) // 2, (W - 1) // 2 + 1]\noutput y"
    graph = build(net(lines, shape="N, 3, H, W"))
    assert graph.symbols == ("N", "H", "W")
    assert codes(net(lines.replace("H + 1", "H"), shape="N, 3, H, W")) == ["E0501"]


def test_symbols_are_not_confused(net: Net, codes: Codes) -> None:
    assert codes(net("relu -> [N, 3, W, H]\noutput y", shape="N, 3, H, W")) == ["E0501"]
    assert codes(net("relu -> [N, 3, H, H]\noutput y", shape="N, 3, H, H")) == []


@pytest.mark.parametrize(
    "line",
    [
        "parameters == 216",
        "parameters <= 216",
        "parameters >= 200",
        "parameters == 0.2K",
        "macs == 221_184",
        "macs == 221.184K",
        "macs == 0.22M",
        "macs == 0.2M",
        "macs <= 1G",
        "depth == 1",
        "shape == [N, 8, 32, 32]",
        "shape == [_, 8, _, _]",
    ],
)
def test_a_true_expectation_is_silent(line: str, net: Net, codes: Codes) -> None:
    assert codes(net(f"{CONV}expect {line}")) == []


@pytest.mark.parametrize(
    "line",
    [
        "parameters == 217",
        "parameters <= 215",
        "parameters >= 217",
        "parameters == 0.3K",
        "macs == 221.185K",
        "macs == 0.23M",
        "depth == 2",
    ],
)
def test_a_wrong_expectation_is_reported(line: str, net: Net, codes: Codes) -> None:
    assert codes(net(f"{CONV}expect {line}")) == ["E0502"]


def test_a_shape_is_expected_where_it_is_written(net: Net, codes: Codes) -> None:
    lines = "expect shape == [N, 3, 32, 32]\na: conv(8, 3x3)\nexpect shape == [N, 8, 32, 32]\noutput y"
    assert codes(net(lines)) == []


def test_depth_is_counted_along_the_longest_path(net: Net, codes: Codes) -> None:
    lines = "add { { a: conv(3, 1x1); b: conv(3, 1x1) }; c: conv(3, 1x1) }\nflatten\nfc: linear(10)\noutput y"
    assert codes(net(f"{lines}\nexpect depth == 3")) == []


def test_the_shape_of_the_input_is_replaced(net: Net, build: Build) -> None:
    text = net(CONV)
    assert str(build(text, input_shape=(1, 3, 64, 48)).nodes[-1].type) == "[1, 8, 64, 48]"
    assert build(text, input_shape=("N", 3, "H", "W")).symbols == ("N", "H", "W")


def test_expectations_apply_to_the_declared_shape(net: Net, build: Build, codes: Codes) -> None:
    text = net("a: conv(8, 3x3) -> [N, 8, 32, 32]\noutput y\nexpect macs == 221_184")
    build(text, input_shape=(1, 3, 64, 64))
    assert codes(text.replace("221_184", "5"), input_shape=(1, 3, 64, 64)) == ["E0502"]


def test_symbols_stand_for_the_sizes_that_replace_them(net: Net, build: Build) -> None:
    text = net("a: conv(8, 3x3) -> [N, 8, S, S]\nupsample(2) -> [N, 8, 2 * S, 2 * S]\noutput y", shape="N, 3, S, S")
    assert str(build(text, input_shape=(2, 3, 16, 16)).nodes[-1].type) == "[2, 8, 32, 32]"


def test_a_replaced_shape_can_be_wrong(net: Net, codes: Codes) -> None:
    text = net("a: conv(8, 3x3)\nb: conv(8, 9x9, pad = valid)\noutput y")
    assert codes(text, input_shape=(1, 3, 8, 8)) == ["E0303"]
    assert codes(text, input_shape=(1, 3)) == ["E0305"]


def test_replacing_the_shape_repeats_no_warning(net: Net, check: Check) -> None:
    _, diagnostics = check(net("conv(8, 3x3)\noutput y"), input_shape=(1, 3, 8, 8))
    (warning,) = diagnostics
    assert diagnostics.repeats(warning) == 0


@pytest.mark.parametrize("shape", ["N, 3, 224, 224", "1, 3, H, W", "N, 10", "Batch, 3, 2 * 16, S"])
def test_an_input_has_numbers_and_symbols(shape: str, net: Net, build: Build) -> None:
    build(net("relu\noutput y", shape=shape))


@pytest.mark.parametrize("size", ["0", "-1", "2.5", "3x3", "true", '"H"'])
def test_a_size_of_the_input_is_an_integer_from_1(size: str, net: Net, codes: Codes) -> None:
    assert codes(net("relu\noutput y", shape=f"N, 3, {size}, 32")) == ["E0208"]


def test_a_size_of_the_input_may_be_a_parameter(net: Net, build: Build) -> None:
    text = net("relu\noutput y", shape="N, 3, size, size", parameters="size = 64")
    assert str(build(text, arguments={"size": 32}).nodes[0].type) == "[N, 3, 32, 32]"


@pytest.mark.parametrize(
    ("body", "head", "parameters"),
    [
        ("a: conv(width, 1x1)\noutput y", "", "width = channels"),
        ("a: conv(width, 1x1)\noutput y", "const width = channels", ""),
        ("a: conv(width, 1x1)\noutput y", "", "width = channels_in"),
    ],
)
def test_there_are_no_channels_before_the_input(body: str, head: str, parameters: str, net: Net, codes: Codes) -> None:
    assert codes(net(body, head, parameters=parameters)) == ["E0209"]
