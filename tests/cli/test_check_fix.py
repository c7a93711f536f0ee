"""``resdsl check --fix``, ``--diff`` and ``--format``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from resdsl.cli.app import app

WRONG = """\
use "std/residuals.res" (botleneck)

model net {
  input image: f32[N, 3, 32, 32]
  conv1 = conv(8 3x3, strides = 2);  bn1: bn(padding = 1);  rellu
  layer1: bottleneck(8)
  tap low
  add { identity; from lwo { relu } }
  expect parmeters == 3
  output y
}
"""
FIXED = """\
use "std/residual.res" (bottleneck)

model net {
  input image: f32[N, 3, 32, 32]
  conv1: conv(8, 3x3, stride = 2);  bn1: bn(padding = 1);  relu
  layer1: bottleneck(8)
  tap low
  add { identity; from low { relu } }
  expect parameters == 3
  output y
}
"""


def run(*arguments: str, **options: str) -> Result:
    return CliRunner().invoke(app, list(arguments), **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "net.res"
    path.write_text(WRONG)
    return path


def test_fix_fixes_the_file_round_by_round_and_reports_the_rest(path: Path) -> None:
    result = run("check", "--fix", str(path))
    assert path.read_text() == FIXED
    assert result.exit_code == 1
    assert f"fixed {path}:5:8: `=` to `:`\n" in result.stderr
    assert "`rellu` to `relu`" in result.stderr
    assert result.stderr.count("error[") == 1
    assert "`bn` takes no `padding`" in result.stderr


def test_fix_keeps_the_permissions_of_the_file(path: Path) -> None:
    path.chmod(0o640)
    run("check", "--fix", str(path))
    assert path.read_text() == FIXED
    assert path.stat().st_mode & 0o777 == 0o640


def test_fix_leaves_a_good_file_untouched(path: Path) -> None:
    path.write_text("model net {\n  input image: f32[N, 3, 8, 8]\n  relu\n  output y\n}\n")
    os.utime(path, ns=(1, 1))
    result = run("check", "--fix", str(path))
    assert (result.exit_code, result.stderr) == (0, "no errors\n")
    assert path.stat().st_mtime_ns == 1


def test_fix_changes_no_file_that_is_only_used(path: Path) -> None:
    used = path.with_name("blocks.res")
    used.write_text("block stem(width) { conv1: conv(widht, 3x3) }\n")
    path.write_text('use "blocks.res" (stem)\nmodel net {\n  input x: f32[N, 3, 8, 8]\n  a: stem(8)\n  output y\n}\n')
    before = used.read_text()
    assert run("check", "--fix", str(path)).exit_code == 1
    assert used.read_text() == before


def test_a_file_that_cannot_be_written_is_reported_and_unchanged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    result = run("check", "--fix", str(path))
    assert result.exit_code == 2
    assert "E0811" in result.stderr
    assert path.read_text() == WRONG
    assert list(path.parent.iterdir()) == [path]


def test_diff_shows_and_writes_nothing(path: Path) -> None:
    result = run("check", "--diff", str(path))
    assert result.exit_code == 1
    assert path.read_text() == WRONG
    assert "\n-  expect parmeters == 3\n" in result.stdout
    assert "\n+  expect parameters == 3\n" in result.stdout


def test_fix_of_standard_input_goes_to_standard_output() -> None:
    assert run("check", "--fix", "-", input=WRONG).stdout == FIXED


def test_json_lists_the_fixes(path: Path) -> None:
    data = json.loads(run("check", "--fix", "--format", "json", str(path)).stdout)
    (changed,) = data["changed"]
    assert changed["file"] == str(path)
    assert len(changed["fixed"]) == 8
    assert [found["code"] for found in data["diagnostics"]] == ["E0203"]


def test_sarif_is_one_log_on_standard_output(path: Path) -> None:
    result = run("check", "--format", "sarif", str(path))
    (log,) = json.loads(result.stdout)["runs"]
    assert result.exit_code == 1
    assert {found["ruleId"] for found in log["results"]} >= {"E0401", "E0101", "E0606"}
    assert result.stderr == ""


def test_github_annotations_name_the_file_and_the_line(path: Path) -> None:
    result = run("check", "--format", "github", str(path))
    assert f"::error file={path},line=1," in result.stdout
    assert all(line.startswith("::") for line in result.stdout.splitlines())


def test_github_prints_nothing_for_a_valid_file(path: Path) -> None:
    path.write_text("model net {\n  input image: f32[N, 3, 8, 8]\n  relu\n  output y\n}\n")
    assert run("check", "--format", "github", str(path)).output == ""


def test_two_forms_at_once_are_refused(path: Path) -> None:
    assert run("check", "--json", "--format", "sarif", str(path)).exit_code == 2


def test_the_smallest_input_is_reported_if_not_every_size_is_accepted(path: Path) -> None:
    # 5x5/2 leaves 1 row of 5, and 7x7/2 leaves 5 of 15 (and 4 of 14).
    path.write_text(
        "model net {\n  input image: f32[N, 3, H, W]\n  conv1: conv(8, 7x7, stride = 2, pad = valid)\n"
        "  conv2: conv(8, 5x5, stride = 2, pad = valid)\n  output y\n}\n"
    )
    assert run("check", str(path)).stderr == f"{path}: accepts inputs with H from 15 and W from 15\nno errors\n"
    assert "H from 15, W from 15" in run("summary", str(path)).stdout
    assert json.loads(run("summary", "--json", str(path)).stdout)["smallest_input"] == {"N": 1, "H": 15, "W": 15}


def test_nothing_is_reported_for_a_network_that_accepts_every_size(path: Path) -> None:
    path.write_text("model net {\n  input image: f32[N, 3, H, W]\n  conv1: conv(8, 7x7, stride = 2)\n  output y\n}\n")
    assert run("check", str(path)).stderr == "no errors\n"
