"""Pictures match the papers: boxes, shortcuts, branches and sizes as in their figures."""

from __future__ import annotations

from itertools import groupby

import pytest

import resdsl
from resdsl.picture.diagram import Block, Box, Branches, Dense, Kind, Series, Skip, walk
from resdsl.picture.scene import Line, Text
from resdsl.tools.draw.draw import draw


def column(name: str) -> list[tuple[str, int]]:
    """What the boxes of a network say, from the input on, with how often in a row."""
    (diagram,) = draw(name, repeats="expand").diagrams
    labels = [box.text for box in walk(diagram.body) if isinstance(box, Box)]
    return [(text, len(list(group))) for text, group in groupby(labels)]


def test_resnet_34_is_the_right_column_of_figure_3() -> None:
    # He et al. 2015, arXiv:1512.03385, figure 3; "pool, /2" is a 3x3 max pool (table 1).
    assert column("resnet34") == [
        ("7x7 conv, 64, /2", 1),
        ("3x3 max pool, /2", 1),
        ("3x3 conv, 64", 6),
        ("3x3 conv, 128, /2", 1),
        ("3x3 conv, 128", 7),
        ("3x3 conv, 256, /2", 1),
        ("3x3 conv, 256", 11),
        ("3x3 conv, 512, /2", 1),
        ("3x3 conv, 512", 5),
        ("avg pool", 1),
        ("fc 1000", 1),
    ]


def test_plain_34_has_the_same_boxes_and_no_shortcuts() -> None:
    assert column("plain34") == column("resnet34")
    (diagram,) = draw("plain34", repeats="expand").diagrams
    assert not any(isinstance(item, Skip) for item in walk(diagram.body))


def test_vgg_19_is_the_left_column_of_figure_3() -> None:
    assert column("vgg19") == [
        ("3x3 conv, 64", 2),
        ("2x2 max pool, /2", 1),
        ("3x3 conv, 128", 2),
        ("2x2 max pool, /2", 1),
        ("3x3 conv, 256", 4),
        ("2x2 max pool, /2", 1),
        ("3x3 conv, 512", 4),
        ("2x2 max pool, /2", 1),
        ("3x3 conv, 512", 4),
        ("2x2 max pool, /2", 1),
        ("fc 4096", 2),
        ("fc 1000", 1),
    ]


def test_shortcuts_of_resnet_34_are_dotted_where_the_dimensions_increase() -> None:
    (diagram,) = draw("resnet34", repeats="expand").diagrams
    kinds = [item.kind for item in walk(diagram.body) if isinstance(item, Skip)]
    # 3, 4, 6 and 3 blocks (table 1); in figure 3 the first of the last three stages are dotted.
    assert [place for place, kind in enumerate(kinds) if kind is Kind.PROJECTION] == [3, 7, 13]
    assert len(kinds) == 16
    scene = draw("resnet34").scene
    dotted = [line for line in scene.shapes if isinstance(line, Line) and line.stroke.dash]
    assert len(dotted) == 3 + 1  # one is in the legend


def test_figure_3_has_its_sizes_at_the_side_once_and_in_order() -> None:
    scene = draw(["vgg19", "plain34", "resnet34"]).scene
    texts = [shape for shape in scene.shapes if isinstance(shape, Text) and shape.text.startswith("output size")]
    assert [text.text for text in texts] == [f"output size: {size}" for size in (224, 112, 56, 28, 14, 7, 1)]
    assert [text.y for text in texts] == sorted(text.y for text in texts)


def test_layers_of_one_size_begin_at_one_height_in_all_networks() -> None:
    scene = draw(["vgg19", "plain34", "resnet34"]).scene
    words = [shape for shape in scene.shapes if isinstance(shape, Text)]
    starts = {text: [word.y for word in words if word.text == text] for text in ("3x3 conv, 256, /2", "avg pool")}
    assert all(len(set(heights)) == 1 and len(heights) == 2 for heights in starts.values())
    # VGG's pool to 14 pixels beside the first layers of 14 pixels.
    assert starts["3x3 conv, 256, /2"][0] in [word.y for word in words if word.text == "2x2 max pool, /2"]


def branches(name: str, block: str) -> list[list[str]]:
    (diagram,) = draw(name).diagrams
    module = next(item for item in walk(diagram.body) if isinstance(item, Block) and item.name == block)
    (join,) = (item for item in module.body.items if isinstance(item, Branches))
    return [[box.text for box in walk(branch.body) if isinstance(box, Box)] for branch in join.branches]


def test_inception_a_is_figure_4_of_inception_v4() -> None:
    # Szegedy et al. 2016, arXiv:1602.07261, figure 4.
    assert sorted(branches("inception_v4", "inception_a")) == sorted(
        [
            ["3x3 avg pool", "1x1 conv, 96"],
            ["1x1 conv, 96"],
            ["1x1 conv, 64", "3x3 conv, 96"],
            ["1x1 conv, 64", "3x3 conv, 96", "3x3 conv, 96"],
        ]
    )


def test_reduction_a_is_figure_7_with_valid_windows_marked() -> None:
    # Figure 7, with k, l, m, n of table 1 for Inception-v4: 192, 224, 256, 384.
    assert sorted(branches("inception_v4", "reduction_a")) == sorted(
        [
            ["3x3 max pool, /2, V"],
            ["3x3 conv, 384, /2, V"],
            ["1x1 conv, 192", "3x3 conv, 224", "3x3 conv, 256, /2, V"],
        ]
    )


def test_inception_v4_repeats_its_modules_as_in_figure_9() -> None:
    (diagram,) = draw("inception_v4").diagrams
    counts = {item.name: item.count for item in diagram.body.items if isinstance(item, Block)}
    assert (counts["inception_a"], counts["inception_b"], counts["inception_c"]) == (4, 7, 3)


def test_the_residual_of_inception_resnet_is_scaled_where_it_meets_the_shortcut() -> None:
    scene = draw("inception_resnet_v2").scene
    texts = [shape.text for shape in scene.shapes if isinstance(shape, Text) and shape.text.startswith("x 0.")]
    # The factors of the authors' code; the paper says "between 0.1 and 0.3" (section 3.3).
    assert texts == ["x 0.17", "x 0.1", "x 0.2"]


def test_dense_blocks_of_densenet_121_have_the_lengths_of_table_1() -> None:
    (diagram,) = draw("densenet121").diagrams
    dense = [item for item in diagram.body.items if isinstance(item, Dense)]
    assert [item.count for item in dense] == [6, 12, 24, 16]
    assert [[box.text for box in walk(layer) if isinstance(box, Box)] for layer in dense[0].layers] == [
        ["1x1 conv, 128", "3x3 conv, 32"]
    ] * 3


DENSE = """\
use "std/densenet.res" (dense_layer)
model dense() {
  input x: f32[N, 16, 8, 8]
  for i in 1..5 { layer{i}: dense_layer(4) }
  output y
}
"""


def test_a_dense_block_of_five_layers_has_the_arcs_of_figure_1() -> None:
    # Huang et al. 2017, arXiv:1608.06993: L layers have L(L+1)/2 direct connections.
    scene = draw(resdsl.loads(DENSE), repeats="expand").scene
    curves = [
        line for line in scene.shapes if isinstance(line, Line) and len(line.points) == 2 and len(line.points[1]) == 3
    ]
    assert len(curves) == 5 * 6 // 2


@pytest.mark.parametrize(("name", "repeats"), [("resnet50", [2, 3, 5, 2]), ("resnet152", [2, 7, 35, 2])])
def test_equal_blocks_are_folded_and_the_first_of_a_stage_differs(name: str, repeats: list[int]) -> None:
    # Table 1: 3, 4, 6, 3 and 3, 8, 36, 3 blocks, of which the first projects.
    (diagram,) = draw(name).diagrams
    counts = [item.count for item in diagram.body.items if isinstance(item, Block)]
    assert counts == [count for more in repeats for count in (1, more)]


def test_shallow_networks_are_drawn_whole() -> None:
    (diagram,) = draw("resnet34").diagrams
    assert all(item.count == 1 for item in walk(diagram.body) if isinstance(item, Block))


def test_a_pre_activation_block_projects_what_is_activated() -> None:
    # He et al. 2016, arXiv:1603.05027, figure 1 (b): norm and relu come first; the projection starts behind them.
    (diagram,) = draw("resnetv2_50", detail="op").diagrams
    skips = [item for item in walk(diagram.body) if isinstance(item, Skip)]
    assert [skip.start for skip in skips if skip.kind is Kind.PROJECTION] == [2, 2, 2, 2]
    assert {skip.start for skip in skips if skip.kind is Kind.IDENTITY} == {0}


def test_a_plain_path_is_a_series_without_joins() -> None:
    (diagram,) = draw("plain18", detail="op").diagrams
    assert all(not isinstance(item, Skip | Branches) for item in walk(diagram.body))
    assert isinstance(diagram.body, Series)
