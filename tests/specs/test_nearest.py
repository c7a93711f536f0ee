"""A network with a wrong total is compared with the nearest built-in one and with the checkpoint that is loaded."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import resdsl
from resdsl.diagnostics import CompileError, Diagnostic

from .shipped import ROOT


def changed(name: str, *changes: tuple[str, str]) -> str:
    text = (ROOT / "specs" / f"{name}.res").read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def errors(text: str) -> list[Diagnostic]:
    return resdsl.loads(text, name="mine.res").check().errors


@pytest.mark.parametrize(
    ("name", "changes", "note", "place"),
    [
        (
            "resnet50",
            [("conv1: conv(64, 7x7", "conv1: conv(60, 7x7")],
            "`conv1` is `conv(60, 7x7, stride = 2)` here and `conv(64, 7x7, stride = 2)` there",
            "conv(60, 7x7, stride = 2)",
        ),
        (
            "resnet50",
            [("6 x bottleneck(256)", "6 x bottleneck(250)"), ("1024, 14, 14", "1000, 14, 14")],
            # 3 convolutions in each of 6 blocks, and the projection of the first.
            "`layer3.0.conv1` is `conv(250, 1x1)` here and `conv(256, 1x1)` there; 18 more layers differ",
            "bottleneck(250)",
        ),
        (
            "resnet50",
            [("3 x bottleneck(512)", "3 x bottleneck(512); again: conv(2048, 1x1)")],
            "`layer4.again` (`conv(2048, 1x1)`) is one more layer",
            "conv(2048, 1x1)",
        ),
        (
            "resnet34",
            [("bn1: bn;  relu", "relu")],
            "`bn1` (`bn`) is missing after `conv1`",
            "conv(64, 7x7, stride = 2)",
        ),
        (
            "densenet121",
            [("conv0: conv(64, 7x7", "conv0: conv(64, 5x5")],
            "`features.conv0` is `conv(64, 5x5, stride = 2)` here and `conv(64, 7x7, stride = 2)` there",
            "conv(64, 5x5, stride = 2)",
        ),
    ],
)
def test_the_first_layer_that_differs_is_named(
    name: str, changes: list[tuple[str, str]], note: str, place: str
) -> None:
    first, *others = errors(changed(name, *changes))
    assert first.code.id == "E0502"
    assert first.notes == (f"compared with the built-in network `{name}`, {note}",)
    assert [label.span.text for label in first.secondary] == [place]
    # Once is enough.
    assert all(not other.notes and not other.secondary for other in others)


def test_other_labels_do_not_hide_what_differs() -> None:
    text = changed(
        "resnet18", ("fc: linear", "head: linear"), ("bn1: bn", "norm: bn"), ("conv1: conv(64", "c: conv(48")
    )
    note = "`c` is `conv(48, 7x7, stride = 2)` here and `conv(64, 7x7, stride = 2)` there (`conv1`)"
    # The first block now needs a projection.
    assert errors(text)[0].notes[0].startswith(f"compared with the built-in network `resnet18`, {note}; ")


def test_of_networks_with_the_expected_total_the_most_alike_is_compared() -> None:
    # resnet50_v1 has as many parameters as resnet50, and its strides elsewhere.
    text = changed("resnet50_v1", ("conv1: conv(64", "conv1: conv(65"))
    assert errors(text)[0].notes[0].startswith("compared with the built-in network `resnet50_v1`, `conv1` is")


def test_a_wrong_expectation_of_a_known_network() -> None:
    text = changed("resnet34", ("21_797_672", "21.3M"))
    assert errors(text)[0].notes == ("every layer is that of the built-in network `resnet34`",)


def test_a_network_that_is_near_to_none_shows_its_parts() -> None:
    text = "model m { input x: f32[N, 3, 8, 8]; a: conv(4, 3x3); b: conv(2, 1x1); output y; expect parameters == 1 }"
    assert errors(text.replace("; ", "\n"))[0].notes == ("they are: `a` 108; `b` 8",)


def test_the_comparison_is_bounded_in_time() -> None:
    def seconds(number: str) -> float:
        body = f"a: conv(64, 3x3)\nl: 9000 x conv(64, 3x3, bias = true)\noutput y\nexpect parameters >= {number}"
        start = time.process_time()
        errors(f"model m {{\ninput x: f32[N, 3, 8, 8]\n{body}\n}}")
        return time.process_time() - start

    assert seconds("1_000_000_000") < 2 * seconds("1") + 1


def test_a_checkpoint_shows_which_layers_are_wrong(tmp_path: Path) -> None:
    text = """model m {
  input x: f32[N, 3, 8, 8]
  a: conv(4, 3x3)
  b: conv(8, 3x3)
  output y
  expect parameters == 396
}
"""
    checkpoint = tmp_path / "m.onnx"
    resdsl.compile(resdsl.loads(text), checkpoint)

    with pytest.raises(CompileError) as wrong:
        resdsl.compile(resdsl.loads(text.replace("(8", "(7")), tmp_path / "out.onnx", weights=checkpoint)

    total, tensors = wrong.value.diagnostics.errors
    assert total.code.id == "E0502"
    assert tensors.notes == ("`b.weight` is [8, 4, 3, 3] in the checkpoint and [7, 4, 3, 3] in the network",)
