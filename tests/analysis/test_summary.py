"""The summary table: stages as rows, equal blocks in one row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from resdsl.analysis.cost import Cost
from resdsl.analysis.summary import Row, Summary, folded, summarize

from ..building import build, network, shipped

REFERENCE = Path(__file__).parents[1] / "reference"


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


def test_layers_around_the_stages_are_listed_op_by_op() -> None:
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


def test_different_blocks_have_their_own_rows() -> None:
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


def test_explicit_shows_every_argument() -> None:
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


def test_outputs_are_shown_with_their_types() -> None:
    summary = summarize(network("relu\n  output a\n  flatten\n  output b"))
    assert [(name, str(result)) for name, result in summary.outputs] == [("a", "[N, 3, 8, 8]"), ("b", "[N, 192]")]


def each(rows: Iterable[Row]) -> Iterator[Row]:
    for row in rows:
        yield row
        yield from each(row.rows)


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "resnet50_fpn", "ensemble_resnet", "inception_v4"])
def test_the_parts_of_every_row_add_up_to_it(name: str) -> None:
    summary = summarize(shipped(name), depth=None)
    assert sum((row.cost for row in summary.rows), Cost()) == summary.cost
    opened = [row for row in each(summary.rows) if row.rows]
    assert opened
    assert [sum((part.cost for part in row.rows), Cost()) for row in opened] == [row.cost for row in opened]


def test_every_layer_with_weights_is_one_row() -> None:
    # torchvision's state dict has them all, each once.
    reference = json.loads((REFERENCE / "resnet50.json").read_text())
    expected = dict.fromkeys(name.rpartition(".")[0] for name in reference["state_dict"])
    rows = [row for row in each(summarize(shipped("resnet50"), depth=None).rows) if row.kind == "op"]
    assert [row.path for row in rows if row.cost.parameters] == list(expected)


def test_activations_take_their_elements_times_their_width() -> None:
    summary = summarize(network("c: conv(4, 3x3, stride = 2)\n  relu\n  output y", "N, 3, 8, 10"))
    values = 4 * 4 * 5
    assert [row.cost.activation_bytes for row in summary.rows] == [4 * values, 4 * values]
    assert summary.cost.activation_bytes == 2 * 4 * values


# Araujo, Norris and Sim 2019, table 1; their ResNets are TF-Slim's, which stride in the last unit of a stage.
@pytest.mark.parametrize(
    ("blocks", "size"), [((3, 4, 6, 3), 483), ((3, 4, 23, 3), 1027), ((3, 8, 36, 3), 1507)], ids=["50", "101", "152"]
)
def test_the_last_stage_sees_what_was_published(blocks: tuple[int, ...], size: int) -> None:
    stages = "\n".join(
        f"stage layer{stage} {{ {count - 1} x unit(4);  unit(4, stride = {1 if stage == 3 else 2}) }}"
        for stage, count in enumerate(blocks)
    )
    graph = build(
        f"""
        block unit(width, stride = 1) {{
          residual {{
            a: conv(width, 1x1);  b: conv(width, 3x3, stride = stride);  c: conv(width, 1x1)
          }} shortcut projection {{ d: conv(width, 1x1, stride = stride) }}
        }}
        model net() {{
          input x: f32[N, 3, 224, 224]
          conv(4, 7x7, stride = 2);  maxpool(3x3, stride = 2)
          {stages}
          output y
        }}
        """
    )
    field = summarize(graph).rows[-1].field
    assert field is not None
    assert (field.rows.size, field.columns.size, field.rows.stride) == (size, size, 32)


def test_a_given_argument_is_shown_however_common_it_is() -> None:
    graph = build(
        """
        block unit(width, kernel = 3x3, skip = 1) { c: conv(width, kernel) }
        model net() {
          input x: f32[N, 3, 8, 8]
          stage a { 2 x unit(4, kernel = 1x1) }
          stage b { unit(4, kernel = 3x3);  unit(4) }
          output y
        }
        """
    )
    assert [row.text for row in summarize(graph).rows] == [
        "2 x unit(4, kernel = 1x1)",
        "unit(4, kernel = 3x3), unit(4)",
    ]


def test_an_argument_of_a_stage_is_shown_only_at_its_block() -> None:
    graph = build(
        """
        block unit(width, stride = 1) { c: conv(width, 3x3, stride = stride) }
        model net() { input x: f32[N, 3, 8, 8]; stage a(stride = 2) { 2 x unit(4) }; output y }
        """
    )
    (stage,) = summarize(graph, depth=2).rows
    assert stage.text == "2 x unit(4)"
    assert [row.text for row in stage.rows] == ["unit(4, stride = 2)", "unit(4)"]


def test_equal_blocks_are_folded_and_others_are_not() -> None:
    graph = build(
        """
        block unit(width) { c: conv(width, 3x3) }
        model net() { input x: f32[N, 3, 8, 8]; stage a { 4 x unit(4) }; stage b { 2 x unit(4) }; output y }
        """
    )
    rows = [(row.path, row.last, row.text, row.cost.parameters) for row in each(folded(summarize(graph, depth=2).rows))]
    # The first has other weights: 3 channels come in.
    assert rows == [
        ("a", "a", "4 x unit(4)", 4 * 3 * 9 + 3 * 4 * 4 * 9),
        ("a.0", "a.0", "unit(4)", 4 * 3 * 9),
        ("a.1", "a.3", "3 x unit(4)", 3 * 4 * 4 * 9),
        ("b", "b", "2 x unit(4)", 2 * 4 * 4 * 9),
        ("b.0", "b.1", "2 x unit(4)", 2 * 4 * 4 * 9),
    ]


def test_a_residual_is_shown_in_the_syntax_of_the_language() -> None:
    body = "residual(scale = 0.5) { c: conv(8, 3x3) } shortcut pad\n  residual { d: conv(8, 3x3) }\n  output y"
    assert [row.text for row in summarize(network(body)).rows] == ["residual(scale = 0.5) shortcut pad", "residual"]
    assert [row.text for row in summarize(network(body), explicit=True).rows] == [
        "residual(scale = 0.5) shortcut pad",
        "residual(scale = 1) shortcut identity",
    ]


def test_a_join_that_is_most_of_a_network_is_shown_by_what_is_in_it() -> None:
    """As the neck of a detector, whose last join holds nearly all modules."""
    body = "concat { { stem: conv(8, 3x3); 24 x { conv(8, 3x3) } }; { conv(8, 3x3) } }\n  output y"
    rows = summarize(network(body)).rows
    assert [row.text for row in rows if row.path == "stem"] == ["conv(8, 3x3)"]
    assert sum(row.cost.parameters for row in rows) == 3 * 8 * 9 * 2 + 24 * 8 * 8 * 9


def test_explicit_calls_can_be_built_again() -> None:
    graph = shipped("resnetv2_50")
    rows = [row for row in each(summarize(graph, depth=None, explicit=True).rows) if row.kind == "op"]
    joins = {"add", "concat", "mul", "mean"}
    checked = 0
    for row in rows:
        if row.text in joins or row.text.startswith("avgpool(global"):
            continue
        shape = ", ".join(str(dim) for dim in row.input.shape)
        built = network(f"layer: {row.text}\n  output y", shape)
        assert built.nodes[1].type == row.output, row.text
        checked += 1
    assert checked > 100
