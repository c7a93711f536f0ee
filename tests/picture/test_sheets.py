"""Every sheet is readable: text fits its box, nothing overlaps, no line crosses a box."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from budget import examples
from generate import Specification, specifications
from geometry import crossings, faults
from hypothesis import given

import resdsl
from resdsl.picture.scene import Line, Part, Rect, Stroke, Text
from resdsl.tools.draw.draw import compared, cost_picture, draw

SPECS = sorted(path.stem for path in (Path(__file__).parents[2] / "specs").glob("*.res"))
DETAILS = ("model", "stage", "block", "layer", "op")


@pytest.mark.parametrize("name", SPECS)
def test_every_shipped_network_is_drawn_well_at_every_detail_in_both_directions(name: str) -> None:
    specification = resdsl.load(name)
    for detail in DETAILS:
        for direction, repeats in (("down", "fold"), ("down", "expand"), ("right", "fold")):
            if detail != "op" or repeats == "fold":
                scene = draw(specification, detail=detail, direction=direction, repeats=repeats).scene
                problems = [*faults(scene), *crossings(scene, hidden=True)]
                assert problems == [], f"{detail}, {direction}, {repeats}"


@pytest.mark.parametrize("name", [name for name in SPECS if name != "resnet50_conv"])
def test_the_costs_of_every_shipped_network_are_drawn_well(name: str) -> None:
    assert faults(cost_picture(name).scene) == []


@pytest.mark.parametrize("direction", ["down", "right"])
@pytest.mark.parametrize(
    "names", [("vgg19", "plain34", "resnet34"), ("resnet50", "inception_v4"), ("densenet121", "resnet50_fpn", "vgg19")]
)
def test_networks_side_by_side_keep_apart(names: tuple[str, ...], direction: str) -> None:
    assert faults(draw(names, direction=direction).scene) == []


@pytest.mark.parametrize("pair", [("resnet50", "seresnet50"), ("plain34", "resnet34"), ("resnet18", "vgg19")])
def test_a_comparison_is_drawn_well(pair: tuple[str, str]) -> None:
    assert faults(compared(*pair).scene) == []


@given(specifications())
@examples(quick=25)
def test_the_picture_of_any_specification_can_be_read(specification: Specification) -> None:
    network = resdsl.loads(specification.text, model="net")
    for detail in ("block", "layer", "op"):
        for direction in ("down", "right"):
            assert faults(draw(network, detail=detail, direction=direction).scene) == []


U_NET = """\
model unet() {
  input image: f32[N, 3, 64, 64]
  enc1: conv(16, 3x3);  relu;  tap a
  maxpool(2x2, stride = 2);  enc2: conv(32, 3x3);  relu;  tap b
  maxpool(2x2, stride = 2);  mid: conv(64, 3x3);  relu
  upsample(2);  concat { identity; from b { lateral: conv(8, 1x1) } };  dec2: conv(32, 3x3);  relu
  upsample(2);  concat { from a { identity }; identity };  dec1: conv(16, 3x3);  relu
  head: conv(1, 1x1);  sigmoid
  output mask
}
"""
TAPS_INSIDE = """\
block b(w) {
  c0: conv(w, 3x3);  tap t
  concat {
    { c1: conv(w, 3x3);  relu;  c2: conv(w, 1x1) }
    { c3: conv(w, 1x1);  add { identity; from t { c4: conv(w, 1x1) } } }
    from t { identity }
  }
  c5: conv(w, 1x1)
}
model m() {
  input x: f32[N, 8, 32, 32]
  tap start
  for i in 1..3 { l{i}: b(8) }
  add { identity; from start { identity }; last: conv(8, 3x3) }
  output y
}
"""
LONG_NAMES = f"""\
model {"m" * 200}() {{
  input {"i" * 200}: f32[N, 3, H, W]
  {"c" * 100}: conv(8, 3x3, stride = 2)
  output {"o" * 200}
  block2: conv(8, 5x3, pad = valid)
  output {"p" * 200}
}}
"""


@pytest.mark.parametrize("text", [U_NET, TAPS_INSIDE, LONG_NAMES], ids=["u-net", "taps", "long names"])
@pytest.mark.parametrize("direction", ["down", "right"])
def test_taps_and_long_names_are_drawn_well(text: str, direction: str) -> None:
    network = resdsl.loads(text)
    for detail in DETAILS:
        for repeats in ("fold", "expand"):
            assert faults(draw(network, detail=detail, direction=direction, repeats=repeats).scene) == []


def test_the_laws_are_not_kept_by_every_sheet() -> None:
    scene = draw("resnet18").scene
    box = next(shape for shape in scene.shapes if isinstance(shape, Rect) and shape.part is Part.BOX)
    word = next(shape for shape in scene.shapes if isinstance(shape, Text) and shape.inside is not None)
    bad = (
        replace(box, x=-50.0),
        replace(word, text=word.text * 3),
        replace(word, inside=None),
        replace(box, y=box.y + box.height / 2),
        Line(((box.x - 5, box.y + 5), (box.x + 200, box.y + 5)), Stroke("#000000")),
    )
    for shape in bad:
        assert faults(replace(scene, shapes=(*scene.shapes, shape))) != []
