"""The texts in boxes are those of papers."""

from __future__ import annotations

import pytest
from PIL import ImageFont

import resdsl
from resdsl.picture.diagram import Box, walk
from resdsl.picture.metrics import UNITS, fitted, known, text_width
from resdsl.tools.draw.draw import draw


def label_of(statement: str, shape: str = "N, 8, 16, 16") -> str:
    text = f"model m {{\n  input x: f32[{shape}]\n  it: {statement}\n  output y\n}}\n"
    (diagram,) = draw(resdsl.loads(text), detail="op").diagrams
    return next(item.text for item in walk(diagram.body) if isinstance(item, Box))


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("conv(64, 7x7, stride = 2)", "7x7 conv, 64, /2"),
        ("conv(64, 1x7)", "1x7 conv, 64"),
        ("conv(64, 3x3, stride = 2x1)", "3x3 conv, 64, /2x1"),
        ("conv(8, 3x3, groups = 4)", "3x3 conv, 8, g = 4"),
        ("conv(8, 3x3, dilation = 2)", "3x3 conv, 8, d = 2"),
        ("conv(8, 3x3, pad = valid)", "3x3 conv, 8, V"),
        ("conv(8, 1x1, pad = valid)", "1x1 conv, 8"),
        ("maxpool(3x3, stride = 2)", "3x3 max pool, /2"),
        ("avgpool(2x2, stride = 2, pad = valid)", "2x2 avg pool, /2"),
        ("blurpool(3)", "3x3 blur pool, /2"),
        ("avgpool(global)", "avg pool"),
        ("upsample(2)", "upsample x2"),
        ("bn", "batch norm"),
        ("dropout(0.2)", "dropout 0.2"),
        ("relu", "relu"),
        ("lrn(5)", "LRN, 5"),
        ("channel_shuffle(2)", "channel shuffle, g = 2"),
        ("branch_sum(2)", "sum of 2 branches"),
        ("branch_softmax(2)", "softmax of 2 branches"),
        ("slice(0, channels // 2)", "channels 0:4"),
        ("pad(after = 4)", "pad, 4 channels"),
        ("pad(1)", "pad(sides = 1)"),
    ],
)
def test_an_operator_is_called_as_papers_call_it(statement: str, expected: str) -> None:
    assert label_of(statement) == expected


def test_a_linear_layer_is_called_fc() -> None:
    assert label_of("linear(1000)", "N, 2048") == "fc 1000"


def test_widths_are_those_of_a_font_that_can_be_exchanged_for_helvetica() -> None:
    files = pytest.importorskip("importlib.resources").files(pytest.importorskip("fontpkg_arimo"))
    font = ImageFont.truetype(str(files / "files" / "Arimo[wght].ttf"), UNITS, layout_engine=ImageFont.Layout.BASIC)
    for text in ("3x3 conv, 64, /2", "7x7", "äöüß é", "×→…", "αβγ", "Жук", "WAVE", "iiii"):
        assert known(text)
        assert text_width(text, UNITS) == pytest.approx(sum(font.getlength(character) for character in text), abs=1)


def test_an_unknown_character_is_taken_for_a_wide_one() -> None:
    assert not known("卷")
    assert text_width("卷", 10) == 10
    assert text_width("é", 10) == text_width("e", 10)


def test_a_text_too_long_for_its_room_is_cut_with_an_ellipsis() -> None:
    assert fitted("bottleneck", 10, 200) == "bottleneck"
    cut = fitted("bottleneck(256, stride = 2)" * 1000, 10, 80)
    assert cut.startswith("bottleneck(") and cut.endswith("…")
    assert text_width(cut, 10) <= 80 < text_width(cut[:-1] + "xx…", 10)
