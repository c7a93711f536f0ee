"""Every command that reads a network takes a file, a built-in network, a git revision and standard input."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from resdsl.cli.app import app

NETWORK = """\
model net(width = 4) {
  input x: f32[N, 3, 16, 16]
  preprocess { resize(16); crop(16); normalize(mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5]) }
  conv1: conv(width, 3x3); bn1: bn; relu
  avgpool(global); flatten
  fc: linear(5)
  output logits
}
"""

COMMANDS: dict[str, tuple[str, ...]] = {
    "check": ("check", "SPEC"),
    "fmt": ("fmt", "--diff", "SPEC"),
    "summary": ("summary", "SPEC"),
    "draw": ("draw", "SPEC", "-o", "out.svg"),
    "view": ("view", "SPEC", "-o", "out.html"),
    "diff": ("diff", "resnet18", "SPEC"),
    "tensors": ("tensors", "SPEC"),
    "compile": ("compile", "SPEC", "-o", "out.onnx"),
    "quantize": ("quantize", "SPEC", "--calibrate", "images", "-o", "out.int8.onnx"),
    "predict": ("predict", "SPEC", "images"),
    "evaluate": ("evaluate", "SPEC", "images"),
    "bench": ("bench", "SPEC", "--seconds", "0.01", "--threads", "1"),
    "compare": ("compare", "SPEC", "net.res"),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose first commit has the network, and whose working tree no longer has it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old.res").write_text(NETWORK)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "Add a network"], check=True)
    (tmp_path / "old.res").unlink()
    (tmp_path / "net.res").write_text(NETWORK)
    for number in range(4):
        folder = tmp_path / "images" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path


def run(command: str, network: str, text: str | None = None) -> Result:
    arguments = [network if word == "SPEC" else word for word in COMMANDS[command]]
    return CliRunner().invoke(app, arguments, input=text)


@pytest.mark.parametrize("network", ["net.res", "HEAD:old.res", "-"])
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("project")
def test_a_network_comes_from_a_file_a_revision_or_standard_input(command: str, network: str) -> None:
    result = run(command, network, NETWORK if network == "-" else None)
    assert result.exit_code == 0, result.output
    named = run(command, "net.res")
    assert named.exit_code == 0


@pytest.mark.parametrize("command", ["check", "fmt", "summary", "draw", "view", "diff", "tensors"])
@pytest.mark.usefixtures("project")
def test_a_network_comes_from_the_package(command: str) -> None:
    assert run(command, "resnet18").exit_code == 0


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("project")
def test_a_revision_that_does_not_exist_is_an_error_of_git(command: str) -> None:
    result = run(command, "nosuch:old.res")
    assert result.exit_code == 2
    assert "E0803" in result.output
    assert "Traceback" not in result.output


def test_a_revision_outside_of_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    result = CliRunner().invoke(app, ["diff", "HEAD..main"])
    assert result.exit_code == 2
    assert "this folder is in no git repository" in result.output


def test_formatting_changes_no_revision(project: Path) -> None:
    subprocess.run(["git", "checkout", "-q", "--", "old.res"], check=True)
    ugly = NETWORK.replace("  input", "      input")
    (project / "old.res").write_text(ugly)
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qam", "Make it ugly"], check=True)
    result = CliRunner().invoke(app, ["fmt", "HEAD:old.res"])
    assert result.exit_code == 2
    assert "E0806" in result.output
    assert (project / "old.res").read_text() == ugly
