"""``resdsl specs``."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from resdsl.cli.app import app

SPECS = Path(__file__).parents[2] / "specs"
NAMES = sorted(path.stem for path in SPECS.glob("*.res"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["specs", *arguments])


def test_the_list_is_a_table_of_one_line_each() -> None:
    lines = run().stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["name", *NAMES]
    assert len({len(line) for line in lines}) == 1
    row = next(line for line in lines if line.startswith("resnet152 "))
    # torchvision 0.29.1: 60,192,808 parameters, 11.51 G.
    for cell in ("He et al. 2015", "1512.03385", "[N, 3, 224, 224]", "60.2 M", "11.5 G"):
        assert cell in row


def test_a_terminal_gets_the_same_cells() -> None:
    runner = CliRunner(env={"COLUMNS": "120"})
    drawn = runner.invoke(app, ["specs", "--color", "always"], color=True).stdout
    for word in run().stdout.split():
        assert word in drawn


def test_a_narrow_terminal_leaves_out_the_identifiers_and_cuts_no_number() -> None:
    drawn = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["specs", "--color", "always"], color=True).stdout
    assert "1512.03385" not in drawn
    for cell in ("inception_resnet_v2", "He et al. 2015", "[N, 3, 224, 224]", "60.2 M", "11.5 G"):
        assert cell in drawn


@pytest.mark.parametrize("columns", [62, 60, 43])
def test_names_and_numbers_are_whole_in_the_narrowest_terminal(columns: int) -> None:
    runner = CliRunner(env={"COLUMNS": str(columns)})
    drawn = click.unstyle(runner.invoke(app, ["specs", "--color", "always"], color=True).stdout)
    assert set(NAMES) <= {line.split()[0] for line in drawn.splitlines() if line.strip()}
    assert "60.2 M" in drawn and "11.5 G" in drawn and "\u2026" not in drawn
    assert "…" not in drawn


def test_machines_get_exact_numbers() -> None:
    found = {one["name"]: one for one in json.loads(run("--json").stdout)}
    assert sorted(found) == NAMES
    assert found["resnet50"]["parameters"] == 25_557_032
    assert found["resnet50"]["arxiv"] == "1512.03385"
    assert found["resnet50"]["input"] == ["N", 3, 224, 224]
    assert isinstance(found["resnet50_conv"]["macs"], str)


@pytest.mark.parametrize("name", ["resnet50", "resnet50.res"])
def test_a_name_prints_the_text_to_the_byte(name: str) -> None:
    assert run(name).stdout == (SPECS / "resnet50.res").read_text()


def test_a_mistyped_name_is_guessed() -> None:
    result = run("resnet5O")
    assert result.exit_code == 2
    assert "Did you mean 'resnet50'?" in result.stderr


def test_a_name_like_no_other_leads_to_the_list() -> None:
    result = run("transformer")
    assert result.exit_code == 2
    assert "`resdsl specs` lists all" in result.stderr


@pytest.mark.parametrize("command", ["check", "summary"])
@pytest.mark.parametrize("name", ["resnet18", "densenet_cifar"])
def test_a_command_takes_a_name_without_a_path(command: str, name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, [command, name]).exit_code == 0
