"""``resdsl draw`` and its Python API: inputs, errors and messages."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import resdsl
from resdsl.cli.app import app
from resdsl.diagnostics.errors import OutputError
from resdsl.picture.cost import layers
from resdsl.picture.diagram import Box, Detail, Kind, Skip, walk
from resdsl.picture.scene import Text
from resdsl.picture.theme import LIGHT
from resdsl.tools.draw.draw import Picture, compared, cost_picture, draw


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["draw", *arguments], input=text)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_suffix_names_the_format() -> None:
    for suffix, start in ((".svg", "<svg"), (".mmd", "flowchart TD"), (".dot", "digraph"), (".pdf", "%PDF")):
        if suffix == ".pdf":
            pytest.importorskip("reportlab", reason="the extra picture is not installed")
        assert run("resnet18", "-o", f"net{suffix}").exit_code == 0
        assert Path(f"net{suffix}").read_bytes().startswith(start.encode())


def test_a_picture_without_a_name_is_called_like_the_network() -> None:
    done = run("resnet18", "--format", "mermaid", "--direction", "right")
    assert done.exit_code == 0
    assert "wrote resnet18.mmd" in done.stderr
    assert Path("resnet18.mmd").read_text().startswith("flowchart LR")


def test_a_comparison_and_costs_do_not_take_the_name_of_the_picture() -> None:
    assert run("--cost", "resnet18").exit_code == run("--diff", "plain18", "resnet18").exit_code == 0
    assert {path.name for path in Path().iterdir()} == {"resnet18-costs.svg", "resnet18-diff.svg"}


def test_standard_output_gets_the_picture_alone() -> None:
    done = run("resnet18", "-o", "-")
    assert done.stdout.startswith("<svg") and done.stdout.endswith("</svg>\n")


def test_json_describes_the_written_file() -> None:
    report = json.loads(run("resnet18", "-o", "net.svg", "--json").stdout)
    assert (report["output"], report["format"], report["diagnostics"]) == ("net.svg", "svg", [])


def test_a_broken_specification_gives_its_errors_and_no_file() -> None:
    Path("broken.res").write_text("model m { input x: f32[N, 3, 8, 8]\n  cnov(4, 3x3)\n  output y\n}\n")
    done = run("broken.res")
    assert done.exit_code == 1
    assert "E0202" in done.stderr
    assert not Path("broken.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--diff", "resnet18"), "old and new"),
        (("--cost", "resnet18", "resnet34"), "takes one network"),
        (("--cost", "--diff", "resnet18", "resnet34"), "cannot be combined"),
        (("--cost", "resnet18", "--expand"), "have no effect with --cost"),
        (("-", "-"), "only one"),
        (("resnet18", "--theme", "pink"), "dark"),
        (("resnet18", "-o", "net.jpg"), ".png"),
        (("resnet18", "-o", "net.svg", "--scale", "3"), "applies to png"),
        ((), "SPEC"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_an_output_in_a_missing_folder_is_reported() -> None:
    done = run("resnet18", "-o", "nowhere/net.svg")
    assert done.exit_code == 2
    assert "mkdir -p nowhere" in done.stderr


def test_a_suffix_of_another_kind_is_taken_with_a_format() -> None:
    assert run("resnet18", "-o", "net.txt", "--format", "mermaid").exit_code == 0
    assert Path("net.txt").read_text().startswith("flowchart")


def test_a_file_is_drawn_as_it_was_in_a_revision() -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], check=True, capture_output=True)

    net = Path("net.res")
    net.write_text(resdsl.load("resnet18").source.text)
    git("init", "-q", "-b", "main")
    git("add", "net.res")
    git("commit", "-qm", "first")
    net.write_text(resdsl.load("resnet34").source.text)
    assert run("main:net.res").exit_code == run("main:net.res", "--cost").exit_code == 0
    assert Path("net.svg").read_text() == resdsl.draw("resnet18").svg()
    assert Path("net-costs.svg").read_text() == cost_picture("resnet18").svg()


def test_arguments_of_the_model_are_obeyed() -> None:
    assert run("resnet18", "--set", "classes=10", "-o", "net.svg").exit_code == 0
    assert "fc 10<" in Path("net.svg").read_text()


def test_a_notebook_shows_a_specification() -> None:
    specification = resdsl.load("resnet18")
    assert specification._repr_mimebundle_()["image/svg+xml"] == resdsl.draw("resnet18").svg()
    assert "image/svg+xml" not in resdsl.loads("model m {")._repr_mimebundle_()


def test_words_that_are_none_of_those_there_are_raise() -> None:
    for how in ({"detail": "tiny"}, {"direction": "up"}, {"theme": "pink"}, {"repeats": "some"}):
        with pytest.raises(ValueError, match=next(iter(how.values()))):
            draw("resnet18", **how)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="gif"):
        draw("resnet18").render("gif")
    with pytest.raises(ValueError, match=r"\.gif"):
        draw("resnet18").save("net.gif")
    assert not Path("net.gif").exists()


# --- limits ----------------------------------------------------------------------------------------------------------


def test_resnet_1202_is_drawn_layer_by_layer() -> None:
    # He et al. 2015, section 4.2: 6n + 2 layers, n = 200, and the average pool.
    drawn = draw("resnet_cifar", set={"net": "resnet1202"}, repeats="expand")
    assert sum(isinstance(item, Box) for item in walk(drawn.diagrams[0].body)) == 1203


def test_more_boxes_than_anybody_can_read_are_refused() -> None:
    specification = resdsl.load("resnet_cifar", set={"net": "resnet1202", "n": 600})
    with pytest.raises(resdsl.CompileError, match="10,000"):
        resdsl.draw(specification, detail="op", repeats="expand")
    assert len(resdsl.draw(specification, detail="op").svg()) < 100_000


def test_a_png_that_few_programs_would_open_is_refused() -> None:
    drawn = draw("resnet18")
    with pytest.raises(resdsl.CompileError, match="pixels"):
        drawn.render("png", scale=20 * (100_000_000 / (drawn.scene.width * drawn.scene.height)) ** 0.5)


def test_a_scene_longer_than_a_page_may_be_is_drawn_smaller() -> None:
    pdfium = pytest.importorskip("pypdfium2", reason="the extra picture is not installed")
    drawn = draw("resnet_cifar", set={"net": "resnet1202"}, repeats="expand")
    assert drawn.scene.height > 14_400
    with pdfium.PdfDocument(drawn.render("pdf")) as document:
        # ISO 32000-1, annex C.2.
        assert document[0].get_height() == pytest.approx(14_400, abs=1)


def test_blocks_too_deep_inside_of_blocks_are_refused() -> None:
    deep = "".join(f"block b{n} {{ b{n + 1} }}\n" for n in range(80)) + "block b80 { conv(8, 3x3) }\n"
    text = f"{deep}model m {{\n  input x: f32[N, 3, 8, 8]\n  it: b0\n  output y\n}}\n"
    with pytest.raises(resdsl.CompileError, match="deep"):
        resdsl.draw(resdsl.loads(text))


# --- comparing -------------------------------------------------------------------------------------------------------


def marked(name: str, mark: str, side: int, pair: tuple[str, str]) -> list[str]:
    drawn = compared(*pair, detail="op", repeats="expand")
    boxes = [item for item in walk(drawn.diagrams[side].body) if isinstance(item, Box)]
    assert boxes, name
    return [item.text for item in boxes if item.mark == mark]


OLD = "model net {\n  input x: f32[N, 3, 8, 8]\n  a: conv(8, 3x3);  relu\n  b: conv(8, 3x3)\n  output y\n}\n"
NEW = OLD.replace("a: conv(8", "a: conv(16").replace("  output", "  c: conv(4, 1x1)\n  output")


def test_added_changed_and_following_layers_have_different_marks() -> None:
    Path("old.res").write_text(OLD)
    Path("new.res").write_text(NEW)
    pair = ("old.res", "new.res")
    assert marked("new", "changed", 1, pair) == ["3x3 conv, 16"]
    assert marked("new", "added", 1, pair) == ["1x1 conv, 4"]
    # The second convolution is written as before and takes 16 channels now.
    assert marked("new", "follows", 1, pair) == ["relu", "3x3 conv, 8"]
    assert marked("old", "removed", 0, pair[::-1]) == ["1x1 conv, 4"]


def test_a_shortcut_that_computes_something_else_is_marked() -> None:
    # He et al. 2018, arXiv:1812.01187, figure 2 (c): ResNet-D averages before it projects, from the second stage on.
    for diagram in compared("resnet50", "resnet50d").diagrams:
        arcs = [item for item in walk(diagram.body) if isinstance(item, Skip) and item.kind is Kind.PROJECTION]
        assert [arc.mark for arc in arcs][1:] == ["changed"] * 3


def test_a_comparison_lists_the_totals() -> None:
    scene = compared("resnet50", "resnet101").scene
    texts = [shape.text for shape in scene.shapes if isinstance(shape, Text)]
    # He et al. 2015, table 1, in torchvision's counts.
    for number in ("25,557,032", "44,549,160", "50", "101"):
        assert number in texts


def test_a_comparison_of_equal_networks_says_so() -> None:
    texts = [shape.text for shape in compared("resnet18", "resnet18").scene.shapes if isinstance(shape, Text)]
    assert "nothing changed" in texts
    assert not any(text.startswith("added") for text in texts)


# --- costs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "inception_v4", "resnet50_fpn"])
@pytest.mark.parametrize("detail", [*Detail, None])
def test_the_rows_of_a_cost_picture_add_up_to_the_network(name: str, detail: Detail | None) -> None:
    graph = resdsl.load(name).graph
    rows = layers(graph, detail)
    assert sum(row.cost.parameters for row in rows) == graph.parameter_count
    macs = [row.cost.macs for row in rows]
    assert sum(count for count in macs if isinstance(count, int)) == graph.macs


def test_bars_are_as_long_as_their_costs() -> None:
    scene = cost_picture("resnet18").scene
    bars = [shape for shape in scene.shapes if getattr(shape, "fill", "") == LIGHT.bars["parameters"]]
    longest = max(bars, key=lambda bar: bar.width)
    # Four of its convolutions have 512 * 512 * 9 weights, and 2 * 512 of the norm behind them.
    assert sum(bar.width == longest.width for bar in bars) == 3
    assert longest.tip.endswith(f"{512 * 512 * 9 + 1024:,}")


def test_costs_of_an_open_size_are_refused() -> None:
    done = run("resnet50_conv", "--cost")
    assert done.exit_code == 1
    assert "--input" in done.stderr
    assert run("resnet50_conv", "--cost", "--input", "N,3,224,224", "-o", "c.svg").exit_code == 0


@pytest.mark.parametrize("show", [draw, lambda path: compared("resnet18", path), cost_picture])
def test_a_picture_does_not_replace_the_network(show: Callable[[Path], Picture], tmp_path: Path) -> None:
    text, model = tmp_path / "net.res", tmp_path / "net.onnx"
    text.write_text("model net() {\n  input x: f32[1, 3, 8, 8]\n  conv(4, 3x3)\n  output y\n}\n")
    resdsl.compile(text, model)
    for path in (text, model):
        before = path.read_bytes()
        link = tmp_path / f"{path.suffix[1:]}.svg"
        link.symlink_to(path)
        picture = show(path)
        for target in (path, link):
            with pytest.raises(OutputError, match="read by this command"):
                picture.save(target, "svg")
        assert path.read_bytes() == before
        picture.save(tmp_path / "new.svg")
