"""``resdsl summary``."""

import csv
import io
import json
import re
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from resdsl.cli.app import app

REFERENCE = Path(__file__).parents[1] / "reference"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["summary", *arguments])


# He et al. 2015, arXiv:1512.03385, table 1: "FLOPs", which are multiply-adds. The stride sits in the 1x1.
@pytest.mark.parametrize(
    ("name", "billions", "blocks"),
    [
        ("resnet18", 1.8, [2, 2, 2, 2]),
        ("resnet34", 3.6, [3, 4, 6, 3]),
        ("resnet50_v1", 3.8, [3, 4, 6, 3]),
        ("resnet101_v1", 7.6, [3, 4, 23, 3]),
        ("resnet152_v1", 11.3, [3, 8, 36, 3]),
    ],
)
def test_the_table_agrees_with_the_papers(name: str, billions: float, blocks: list[int]) -> None:
    summary = json.loads(run(name, "--json").stdout)
    # One decimal, rounded (7.570 is "7.6") or cut off (3.858 is "3.8").
    assert summary["macs"] / 1e9 == pytest.approx(billions, abs=0.07)
    stages = [row for row in summary["rows"] if row["kind"] == "stage"]
    assert [sum(run["count"] for run in stage["layers"]) for stage in stages] == blocks
    assert [stage["output"][2:] for stage in stages] == [[56, 56], [28, 28], [14, 14], [7, 7]]


# torchvision 0.29, table of all classification weights.
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("resnet18", "11,689,512"),
        ("resnet34", "21,797,672"),
        ("resnet50", "25,557,032"),
        ("resnet101", "44,549,160"),
        ("resnet152", "60,192,808"),
    ],
)
def test_the_totals_are_exact(name: str, parameters: str) -> None:
    result = run(name)
    assert f"parameters   {parameters} " in result.stdout


def test_columns_are_aligned_without_a_terminal() -> None:
    lines = run("resnet18").stdout.splitlines()
    table = lines[2 : lines.index("", 2)]
    assert table[0].startswith("name ")
    column = table[0].index("output")
    assert all(line[column - 2 : column] == "  " and line[column] == "[" for line in table[1:])


def test_a_terminal_gets_the_same_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    drawn = CliRunner().invoke(app, ["summary", "resnet18", "--color", "always"], color=True).stdout
    plain = run("resnet18").stdout
    for word in plain.split():
        assert word in drawn


def test_symbolic_sizes_are_counted_as_expressions() -> None:
    result = run("resnet18", "--input", "N,3,H,W")
    assert result.exit_code == 0
    assert "varies" in result.stdout
    assert "--input 'N,3,224,224'" in result.stdout


def test_an_error_ends_it(tmp_path: Path) -> None:
    (tmp_path / "net.res").write_text("model m() {}\n")
    result = run(str(tmp_path / "net.res"))
    assert result.exit_code == 1
    assert result.stdout == ""


def records(*arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(run(*arguments, "--format", "csv").stdout)))


@pytest.mark.parametrize("depth", ["1", "2", "all"])
def test_first_level_rows_add_up_to_torchvisions_counts(depth: str) -> None:
    reference = json.loads((REFERENCE / "resnet50.json").read_text())
    rows = [row for row in records("resnet50", "--depth", depth) if row["level"] == "1"]
    assert sum(int(row["parameters"]) for row in rows) == reference["parameters"]
    assert sum(int(row["macs"]) for row in rows) == reference["macs_per_image"]


def test_csv_has_every_operator_by_itself() -> None:
    reference = json.loads((REFERENCE / "resnet50.json").read_text())
    rows = records("resnet50", "--depth", "all")
    calls = [row["layers"].partition("(")[0] for row in rows if row["kind"] == "op"]
    assert calls.count("conv") == reference["conv_calls"]
    assert calls.count("linear") == reference["linear_calls"]


def test_depth_opens_stages_and_folds_equal_blocks() -> None:
    lines = run("resnet152", "--depth", "2").stdout.splitlines()
    (line,) = [line for line in lines if line.startswith("  layer3.1")]
    assert line.split("[")[0].split() == ["layer3.1..35", "35", "x", "bottleneck(256)"]
    assert not any("layer3.1.conv1" in line for line in lines)
    assert any(line.startswith("    layer3.1.conv1 ") for line in run("resnet152", "--depth", "3").stdout.splitlines())


@pytest.mark.parametrize("depth", ["0", "-1", "two", "1.5"])
def test_a_depth_is_a_number_or_all(depth: str) -> None:
    result = run("resnet18", "--depth", depth)
    assert result.exit_code == 2
    assert "neither an integer from 1 nor 'all'" in result.stderr


def test_explicit_goes_down_to_the_operators() -> None:
    out = run("resnet18", "--explicit").stdout
    assert "conv(64, 3x3, stride = 1, pad = half, dilation = 1, groups = 1, bias = false)" in out
    assert "bn(eps = 1e-5, affine = true)" in out
    assert "layer1.0.conv1" not in run("resnet18", "--explicit", "--depth", "1").stdout


def test_markdown_is_a_table_of_equally_long_rows() -> None:
    lines = run("resnet18", "--format", "markdown", "--depth", "2").stdout.splitlines()
    assert lines[0] == "### resnet18: image f32[N, 3, 224, 224]"
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert any("`layer1`" in line and "`2 x basic(64" in line for line in table)
    assert "- parameters: 11,689,512 (and 9,600 running statistics)" in lines


def test_json_is_the_same_by_both_names_and_nests() -> None:
    short, long = run("resnet50", "--json", "--depth", "2"), run("resnet50", "--format", "json", "--depth", "2")
    assert short.stdout == long.stdout
    summary = json.loads(short.stdout)
    (layer3,) = [row for row in summary["rows"] if row["name"] == "layer3"]
    assert [row["name"] for row in layer3["rows"]] == [f"layer3.{block}" for block in range(6)]
    # Bytes of 1024 x 14 x 14 floats: what the last operator of a block gives.
    assert layer3["output"] == ["N", 1024, 14, 14]
    assert summary["rows"][-2]["activation_bytes"] == 4 * 1000
    assert summary["rows"][0]["receptive_field"] == [7, 7]
    assert summary["rows"][-1]["receptive_field"] is None


def test_activations_are_shown_in_bytes(tmp_path: Path) -> None:
    (tmp_path / "net.res").write_text("model m() { input x: f32[N, 3, 8, 8]; c: conv(2, 3x3); output y }\n")
    assert "activations  512 bytes (512 B) for one image" in run(str(tmp_path / "net.res")).stdout


def test_a_file_is_summed_up_as_it_was_in_a_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], check=True, capture_output=True)

    monkeypatch.chdir(tmp_path)
    net = Path("net.res")
    net.write_text("model m {\n  input x: f32[N, 3, 8, 8]\n  c: conv(4, 3x3)\n  output y\n}\n")
    git("init", "-q", "-b", "main")
    git("add", "net.res")
    git("commit", "-qm", "first")
    net.write_text(net.read_text().replace("conv(4", "conv(5"))
    # 3 x 3 x 3 weights for each of 4 kernels.
    assert json.loads(run("main:net.res", "--json").stdout)["parameters"] == 108
    assert json.loads(run("net.res", "--json").stdout)["parameters"] == 135
    missing = run("main:gone.res")
    assert missing.exit_code == 2
    assert "git cannot read `main:gone.res`" in missing.stderr


def test_a_count_that_depends_on_the_size_is_an_expression(tmp_path: Path) -> None:
    (tmp_path / "net.res").write_text("model m() { input x: f32[N, 3, H, W]; c: conv(2, 3x3); output y }\n")
    out = run(str(tmp_path / "net.res")).stdout
    # 2 channels out x 3 in x 3 x 3 at every place.
    assert "MACs         54*H*W for one image" in out
    assert "activations  8*H*W bytes for one image" in out


def test_a_narrow_terminal_keeps_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    out = CliRunner().invoke(app, ["summary", "resnet18", "--color", "always"], color=True).stdout
    assert "stride" not in out.replace("stride = 2", "")
    assert "[N, 512, 7, 7]" in out
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in out.splitlines()[:20]) <= 70


def test_training_adds_the_cost_of_a_step_and_checks_the_signal(tmp_path: Path) -> None:
    deep = tmp_path / "deep.res"
    deep.write_text(
        "model deep() {\n  input x: f32[N, 64, 8, 8]\n  l: 30 x { conv(64, 3x3); relu }\n"
        "  avgpool(global);  flatten;  fc: linear(10)\n  output y\n}\n"
    )
    done = run(str(deep), "--training", "--batch", "16", "--init", "xavier_uniform")
    assert "the signal dies at initialisation" in done.stderr
    assert "training     a step of 16 images" in done.stdout
    one = 64 * 64 * 9 * 64  # a layer, for an image
    step = json.loads(run(str(deep), "--training", "--batch", "16", "--json").stdout)
    assert step["training"]["macs"] == 16 * (30 * 3 * one - one + 3 * 640)
    assert "training" not in json.loads(run(str(deep), "--json").stdout)


def test_options_of_the_training_need_it() -> None:
    done = run("resnet18", "--batch", "8")
    assert (done.exit_code, "need --training" in done.stderr) == (2, True)
    done = run("resnet18", "--training", "--init", "magic")
    assert (done.exit_code, "he_normal" in done.stderr) == (2, True)
