"""``resdsl summary``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from resdsl.cli.app import app


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
    assert f"parameters  {parameters} " in result.stdout


def test_columns_are_aligned_where_nobody_sees_them_drawn() -> None:
    lines = run("resnet18").stdout.splitlines()
    table = lines[2 : lines.index("", 2)]
    assert table[0].startswith("name ")
    column = table[0].index("output")
    assert all(line[column - 2 : column] == "  " and line[column] == "[" for line in table[1:])


def test_a_terminal_gets_the_same_cells() -> None:
    drawn = CliRunner().invoke(app, ["summary", "resnet18", "--color", "always"], color=True).stdout
    plain = run("resnet18").stdout
    for word in plain.split():
        assert word in drawn


def test_symbolic_sizes_are_counted_as_expressions() -> None:
    result = run("resnet18", "--input", "N,3,H,W")
    assert result.exit_code == 0
    assert "varies" in result.stdout
    assert "--input 'N,3,224,224'" in result.stdout


def test_a_mistake_ends_it(tmp_path: Path) -> None:
    (tmp_path / "net.res").write_text("model m() {}\n")
    result = run(str(tmp_path / "net.res"))
    assert result.exit_code == 1
    assert result.stdout == ""
