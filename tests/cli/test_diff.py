"""``resdsl diff``."""

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import resdsl
from resdsl.cli.app import app

TINY = "model net { input x: f32[N, 3, 8, 8]; conv1: conv(4, 3x3); relu; output y }\n"


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["diff", *arguments], input=text)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "old.res").write_text(TINY)
    (tmp_path / "new.res").write_text(TINY.replace("conv(4", "conv(5"))
    return str(tmp_path / "old.res"), str(tmp_path / "new.res")


def test_the_last_line_is_the_verdict(pair: tuple[str, str]) -> None:
    result = run(*pair)
    assert result.exit_code == 0
    # 3 x 3 x 3 more weights on 4 x 3 x 3 x 3.
    assert result.stdout.splitlines()[-1].startswith("1 changed; parameters +25.0%, MACs +25.0%; old weights")


def test_python_gives_the_same(pair: tuple[str, str]) -> None:
    review = resdsl.diff(*pair)
    assert review.delta.parameters == 27
    assert resdsl.diff("resnet18", "resnet18").is_empty


def test_the_exit_status_depends_on_changes_only_on_request(pair: tuple[str, str]) -> None:
    assert run(*pair, "--exit-code").exit_code == 1
    assert run(pair[0], pair[0], "--exit-code").exit_code == 0


@pytest.mark.parametrize(
    ("option", "budget", "status"),
    [
        ("--max-parameters", "+25%", 0),
        ("--max-parameters", "+24.9%", 1),
        ("--max-parameters", "135", 0),
        ("--max-parameters", "134", 1),
        ("--max-macs", "+1_728", 0),
        ("--max-macs", "+1_727", 1),
        ("--max-macs", "9k", 0),
    ],
)
def test_budgets_hold(pair: tuple[str, str], option: str, budget: str, status: int) -> None:
    # 5 x 3 x 3 x 3 = 135 weights, each used for 8 x 8 pixels.
    result = run(*pair, option, budget)
    assert result.exit_code == status
    assert ("E0720" in result.stderr) == bool(status)


def test_a_budget_that_is_none_is_refused(pair: tuple[str, str]) -> None:
    result = run(*pair, "--max-macs", "5%")
    assert result.exit_code == 2
    assert "+5%" in result.stderr


def test_compatible_weights_can_be_required(pair: tuple[str, str]) -> None:
    assert run(*pair, "--require-compatible-weights").exit_code == 1
    assert "E0721" in run(*pair, "--require-compatible-weights").stderr
    assert run(pair[0], pair[0], "--require-compatible-weights").exit_code == 0


def test_json_has_a_schema_and_the_numbers(pair: tuple[str, str]) -> None:
    data = json.loads(run(*pair, "--json").stdout)
    assert data["schema"] == 1
    assert data["difference"]["parameters"] == 27
    assert data["weights"]["fit"] == "not"
    assert data["changes"][0]["fields"] == [{"name": "channels", "old": "4", "new": "5"}]
    assert json.loads(run(*pair, "--format", "json").stdout) == data


@pytest.mark.parametrize(("form", "start"), [("markdown", "**net**"), ("html", "<!doctype html>"), ("text", "net:")])
def test_every_form_can_go_to_a_file(pair: tuple[str, str], form: str, start: str, tmp_path: Path) -> None:
    result = run(*pair, "--format", form, "-o", str(tmp_path / "review"))
    assert result.stdout == ""
    assert (tmp_path / "review").read_text().startswith(start)


def test_one_side_can_be_standard_input(pair: tuple[str, str]) -> None:
    assert "no architectural change" in run("-", pair[0], text=TINY).stdout
    assert run("-", "-", text=TINY).exit_code == 2


def test_errors_of_either_side_are_reported(pair: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "bad.res").write_text(TINY.replace("relu", "rleu"))
    result = run(pair[0], str(tmp_path / "bad.res"))
    assert result.exit_code == 1
    assert "did you mean `relu`" in result.stderr


def test_renames_are_written_as_compile_reads_them(tmp_path: Path) -> None:
    (tmp_path / "old.res").write_text(TINY)
    (tmp_path / "new.res").write_text(TINY.replace("conv1:", "stem:"))
    renames = tmp_path / "renames"
    run(str(tmp_path / "old.res"), str(tmp_path / "new.res"), "--write-renames", str(renames))
    assert renames.read_text() == "conv1=stem\n"
    weights = tmp_path / "old.onnx"
    compiled = CliRunner().invoke(app, ["compile", str(tmp_path / "old.res"), "-o", str(weights)])
    assert compiled.exit_code == 0
    arguments = [str(tmp_path / "new.res"), "-o", str(tmp_path / "new.onnx"), "--weights", str(weights)]
    assert CliRunner().invoke(app, ["compile", *arguments]).exit_code == 1
    result = CliRunner().invoke(app, ["compile", *arguments, "--rename", f"@{renames}"])
    assert result.exit_code == 0, result.stderr


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], cwd=folder, check=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two commits: in the second, a block that the network uses is another."""

    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "blocks.res").write_text("block unit(width) { conv1: conv(width, 3x3); relu }\n")
    (tmp_path / "nets" / "net.res").write_text(
        'use "blocks.res" (unit)\nmodel net { input x: f32[N, 3, 8, 8]; a: unit(4); output y }\n'
    )
    (tmp_path / "nets" / "other.res").write_text(TINY)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    git(tmp_path, "checkout", "-q", "-b", "work")
    (tmp_path / "nets" / "blocks.res").write_text("block unit(width) { conv1: conv(width, 5x5); relu }\n")
    git(tmp_path, "commit", "-q", "-a", "-m", "second")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("repository")
def test_a_revision_comes_with_the_files_that_it_uses() -> None:
    data = json.loads(run("main:nets/net.res", "nets/net.res", "--json").stdout)
    assert data["changes"][0]["fields"] == [{"name": "kernel", "old": "3", "new": "5"}]
    assert json.loads(run("main:nets/net.res", "HEAD~1:nets/net.res", "--json").stdout)["empty"]


def test_one_name_alone_is_no_range(pair: tuple[str, str]) -> None:
    result = run(pair[0])
    assert result.exit_code == 2
    assert "main...HEAD" in result.stderr


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("spec", ["nowhere:nets/net.res", "main:nets/none.res", "--output=x:nets/net.res", "main:../x"])
def test_what_git_cannot_read_is_reported(spec: str) -> None:
    result = run("--", spec, "nets/net.res")
    assert result.exit_code == 2
    assert "E0803" in result.stderr
