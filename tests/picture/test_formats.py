"""Output formats: deterministic, well-formed, with foreign names as text only."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from PIL import Image

import resdsl
from resdsl.picture.canvas import Direction
from resdsl.picture.diagram import Block, Box, Series
from resdsl.picture.dot import render_dot
from resdsl.picture.fold import folded
from resdsl.picture.mermaid import render_mermaid
from resdsl.picture.outline import Group, Node, Outline
from resdsl.picture.scene import Scene, Text
from resdsl.picture.svg import render_svg
from resdsl.picture.theme import LIGHT, THEMES
from resdsl.tools.draw.draw import Picture, cost_picture, draw

SVG = "{http://www.w3.org/2000/svg}"
TINY = """\
model tiny() {
  input image: f32[N, 3, 16, 16]
  conv1: conv(8, 3x3, stride = 2);  bn1: bn;  relu
  residual { conv2: conv(8, 3x3);  bn2: bn } shortcut identity
  relu
  avgpool(global);  flatten
  fc: linear(10)
  output logits
}
"""
EVIL = '"><script>alert(1)</script>&]]>\\"};x[label="y\n#quot;|'


def tiny(**how: str) -> Picture:
    return draw(resdsl.loads(TINY), **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["svg", "mermaid", "dot"])
def test_a_small_network_as_text(form: str, golden: Callable[[str], None]) -> None:
    golden(tiny().render(form).decode())


@pytest.mark.parametrize("form", ["svg", "mermaid", "dot", "pdf", "png"])
def test_the_same_network_gives_the_same_bytes(form: str) -> None:
    if form in ("pdf", "png"):
        pytest.importorskip("reportlab", reason="the extra picture is not installed")
        pytest.importorskip("pypdfium2", reason="the extra picture is not installed")
    code = f"""import sys, resdsl; sys.stdout.buffer.write(resdsl.draw("resnet18").render({form!r}))"""
    one, other = (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    )
    assert one == other
    assert len(one) > 1000


@pytest.mark.parametrize("theme", list(THEMES))
def test_svg_is_well_formed_and_fetches_nothing(theme: str) -> None:
    text = draw("inception_v4", theme=theme).svg()
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert not re.search(r"href|url\(|@import|<script|<image|<foreignObject", text)
    background = root.find(f"{SVG}rect")
    assert background is not None and background.get("fill") == THEMES[theme].background


def test_text_stays_text_and_has_the_room_that_was_made_for_it() -> None:
    root = ElementTree.fromstring(tiny().svg())
    texts = list(root.iter(f"{SVG}text"))
    assert "3x3 conv, 8, /2" in [text.text for text in texts]
    assert all(float(text.get("textLength", "0")) > 0 for text in texts)


def test_a_picture_has_a_description_for_screen_readers() -> None:
    root = ElementTree.fromstring(tiny().svg())
    assert root.findtext(f"{SVG}title") == "tiny"
    # 3*8*9 + 2*8 + 8*8*9 + 2*8 + 8*10 + 10 = 914.
    assert root.findtext(f"{SVG}desc") == "tiny: 3 layers, 914 parameters, 50.8 k MACs"
    tips = [title.text or "" for title in root.iter(f"{SVG}title")]
    assert "conv1: conv(8, 3x3, stride = 2)\n-> 8 x 8 x 8, 216 parameters, 13.8 k MACs" in tips


def test_styles_of_two_pictures_on_one_page_do_not_mix() -> None:
    light, dark = tiny().svg(), tiny(theme="dark").svg()
    names = [re.search(r'class="(net-\w+)"', text) for text in (light, dark)]
    assert names[0] and names[1] and names[0][1] != names[1][1]
    (styles,) = re.findall(r"<style>(.*?)</style>", light, re.DOTALL)
    assert all(rule.startswith(f".{names[0][1]} ") for rule in styles.strip().splitlines())


def test_foreign_text_is_escaped_in_svg() -> None:
    scene = Scene(100, 100, "#ffffff", EVIL, EVIL + "\0\x1b", (Text(0, 10, EVIL, 10, "#000000"),))
    text = render_svg(scene)
    root = ElementTree.fromstring(text)
    assert [text.text for text in root.iter(f"{SVG}text")] == [EVIL]
    assert [element.tag for element in root.iter() if "script" in element.tag] == []


def outline_of(text: str) -> Outline:
    group = Group("g1", text, [Node("n1", (text, text))])
    return Outline(Group("net", "", [group, Node("n2", ("+",), is_join=True)]), [])


def test_foreign_text_ends_no_string_in_mermaid() -> None:
    text = render_mermaid(outline_of(EVIL), LIGHT, Direction.DOWN)
    (box,) = (line for line in text.splitlines() if line.strip().startswith("n1"))
    assert re.fullmatch(r'    n1\["[^"<>&;\\|]*(?:#\d+;[^"<>&;\\|]*)*<br>[^"<>&\\|]*"\]', box)
    assert "script>" not in text


def test_foreign_text_ends_no_string_in_dot() -> None:
    text = render_dot(outline_of(EVIL), LIGHT, Direction.DOWN)
    for line in text.splitlines():
        # Strings taken away, nothing of the foreign text is left.
        rest = re.sub(r'"(?:[^"\\]|\\.)*"', "", line)
        assert "script" not in rest and '"' not in rest


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "inception_v4", "resnet50_fpn", "ensemble_resnet"])
def test_the_texts_for_other_programs_are_graphs(name: str) -> None:
    drawn = draw(name)
    mermaid, dot = drawn.render("mermaid").decode(), drawn.render("dot").decode()
    nodes = set(re.findall(r"^\s+(n\d+)[(\[]", mermaid, re.MULTILINE))
    edges = re.findall(r'^  (n\d+) (?:-->|-\.->)(?:\|".*"\|)? (n\d+)$', mermaid, re.MULTILINE)
    assert {end for edge in edges for end in edge} == nodes
    assert len(re.findall(r"^\s*subgraph ", mermaid, re.MULTILINE)) == len(
        re.findall(r"^\s*end$", mermaid, re.MULTILINE)
    )
    assert set(re.findall(r"^\s+(n\d+) \[label", dot, re.MULTILINE)) == nodes
    assert sorted(re.findall(r"^  (n\d+) -> (n\d+)", dot, re.MULTILINE)) == sorted(edges)
    assert dot.count("{") == dot.count("}")
    # One source, the input; every node leads to an output.
    assert len(nodes - {target for _, target in edges}) == 1


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed here")
@pytest.mark.parametrize("name", ["resnet50", "inception_v4"])
def test_graphviz_reads_it(name: str) -> None:
    done = subprocess.run(["dot", "-Tsvg"], input=draw(name).render("dot"), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_mermaid_has_dotted_projections_and_plain_identities() -> None:
    text = draw("resnet34").render("mermaid").decode()
    # Figure 3 of He et al. 2015: three dotted shortcuts.
    assert text.count("-.->") == 3


def test_pdf_has_text_and_its_own_font() -> None:
    pytest.importorskip("reportlab", reason="the extra picture is not installed")
    pdfium = pytest.importorskip("pypdfium2", reason="the extra picture is not installed")
    data = tiny().render("pdf")
    with pdfium.PdfDocument(data) as document:
        assert len(document) == 1
        words = document[0].get_textpage().get_text_bounded()
    assert "3x3 conv, 8, /2" in words
    assert b"Arimo" in data and b"/FontFile2" in data


def test_png_has_as_many_pixels_as_were_asked_for_and_something_on_them() -> None:
    pytest.importorskip("pypdfium2", reason="the extra picture is not installed")
    drawn = tiny()
    with Image.open(io.BytesIO(drawn.render("png", scale=3.0))) as image:
        assert image.size == pytest.approx((drawn.scene.width * 3, drawn.scene.height * 3), abs=1)
        colors = image.convert("RGB").getcolors(1 << 20) or []
    assert (255, 255, 255) in [color for _, color in colors]
    # The orange of what has been halved once (16 to 8 pixels), as the theme has it.
    assert tuple(bytes.fromhex(LIGHT.stage(1).fill[1:])) in [color for _, color in colors]


@pytest.mark.parametrize("form", ["png", "pdf"])
def test_without_the_extra_a_fix_is_suggested(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("reportlab", "reportlab.pdfgen.canvas", "pypdfium2"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(resdsl.CompileError) as raised:
        tiny().render(form)
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.code.id == "E0863"
    assert any("resdsl[picture]" in text for text in diagnostic.helps)


def test_costs_are_no_graph() -> None:
    with pytest.raises(resdsl.CompileError, match="costs are drawn as bars"):
        cost_picture("resnet18").render("dot")


def test_a_repeat_of_boxes_counts_in_words() -> None:
    box = Box("dense_layer(32)", 2, "56", notes=("56 x 56 x 96",))
    other = replace(box, notes=("56 x 56 x 128",))
    (both,) = folded(Series((box, other))).items
    assert isinstance(both, Box)
    # The channels grow with each; the shape is that of the last.
    assert both.lines == ("2 x dense_layer(32)", "56 x 56 x 128")
    layer = Box("3x3 conv, 64", 2, "56")
    assert folded(Series((layer, layer))).items == (layer, layer)
    assert folded(Series((layer,) * 4)).items == (Block("", Series((layer,)), 4),)
