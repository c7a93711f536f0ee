"""The table: stages as rows, equal blocks told once."""

from __future__ import annotations

import pytest

from resdsl.analysis.summary import Summary, summarize

from ..building import build, network, shipped


def rows(summary: Summary) -> list[tuple[str, str, str, str]]:
    return [(row.kind, row.path, row.text, str(row.output)) for row in summary.rows]


# He et al. 2015, table 1: blocks and output sizes of conv2_x to conv5_x.
@pytest.mark.parametrize(("name", "counts"), [("resnet50", (3, 4, 6, 3)), ("resnet152", (3, 8, 36, 3))])
def test_resnets_read_as_the_papers_table(name: str, counts: tuple[int, ...]) -> None:
    summary = summarize(shipped(name))
    stages = [(row.text, row.output.shape[2:]) for row in summary.rows if row.kind == "stage"]
    widths, sizes = (64, 128, 256, 512), (56, 28, 14, 7)
    assert stages == [
        (f"{count} x bottleneck({width})", (size, size))
        for count, width, size in zip(counts, widths, sizes, strict=True)
    ]


def test_what_is_around_the_stages_is_told_op_by_op() -> None:
    found = rows(summarize(shipped("resnet18")))
    assert found[:4] == [
        ("op", "conv1", "conv(64, 7x7, stride = 2)", "[N, 64, 112, 112]"),
        ("op", "bn1", "bn", "[N, 64, 112, 112]"),
        ("op", "relu", "relu", "[N, 64, 112, 112]"),
        ("op", "maxpool", "maxpool(3x3, stride = 2)", "[N, 64, 56, 56]"),
    ]
    assert [path for _, path, _, _ in found[4:8]] == ["layer1", "layer2", "layer3", "layer4"]


def test_rows_sum_up_to_the_total() -> None:
    summary = summarize(shipped("resnet18"))
    assert sum(row.cost.parameters for row in summary.rows) == summary.cost.parameters
    assert sum(row.cost.macs for row in summary.rows if isinstance(row.cost.macs, int)) == summary.cost.macs
    # torchvision's count, tests/reference/resnet18.json
    assert summary.cost.parameters == 11_689_512
    assert summary.depth == 18


def test_blocks_that_differ_are_told_apart() -> None:
    graph = build(
        """
        block unit(width, kernel = 3x3) { c: conv(width, kernel) }
        model net() {
          input x: f32[N, 3, 8, 8]
          stage a { unit(4);  unit(4);  unit(8);  unit(4, kernel = 1x1);  relu }
          output y
        }
        """
    )
    (row,) = summarize(graph).rows
    assert row.text == "2 x unit(4), unit(8), unit(4, kernel = 1x1), relu"
    assert [run.count for run in row.layers] == [2, 1, 1, 1]
    assert row.layers[0].arguments == {"width": "4", "kernel": "3x3"}


def test_explicit_tells_every_argument() -> None:
    graph = build(
        """
        block unit(width, kernel = 3x3) { c: conv(width, kernel) }
        model net() { input x: f32[N, 3, 8, 8]; stage a { 2 x unit(4) }; c: conv(2, 1x1); output y }
        """
    )
    stage, conv = summarize(graph, explicit=True).rows
    assert stage.text == "2 x unit(width = 4, kernel = 3x3)"
    assert conv.text == "conv(2, 1x1, stride = 1, pad = half, dilation = 1, groups = 1, bias = false)"


def test_a_group_around_stages_is_opened() -> None:
    graph = network(
        """features: { c: conv(4, 3x3);  stage one { 2 x conv(4, 3x3) } }
        fc: { avgpool(global);  flatten }
        output y"""
    )
    assert [(row.kind, row.path) for row in summarize(graph).rows] == [
        ("op", "features.c"),
        ("stage", "features.one"),
        ("group", "fc"),
    ]


def test_a_group_that_is_nearly_everything_is_opened() -> None:
    graph = network("features: { a: conv(4, 3x3);  b: { bn; relu };  c: conv(4, 3x3) }\n  flatten\n  output y")
    assert [row.path for row in summarize(graph).rows] == ["features.a", "features.b", "features.c", "flatten"]


def test_outputs_are_told_with_their_types() -> None:
    summary = summarize(network("relu\n  output a\n  flatten\n  output b"))
    assert [(name, str(result)) for name, result in summary.outputs] == [("a", "[N, 3, 8, 8]"), ("b", "[N, 192]")]
