"""``resdsl quantize``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from skimage import data

from resdsl.cli.app import app

TINY = """\
model tiny {
  input x: f32[N, 3, 16, 16]
  preprocess { resize(16, fit = exact) }
  conv1: conv(4, 3x3);  bn1: bn;  relu
  avgpool(global);  flatten;  fc: linear(3)
  output logits
}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.res").write_text(TINY)
    Path("photos").mkdir()
    for number, name in enumerate(("chelsea", "astronaut", "coffee", "rocket", "cat")):
        Image.fromarray(getattr(data, name)()[:100, :100]).save(f"photos/{number}.png")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["quantize", *arguments])


def test_the_worst_layers_and_the_next_command_are_reported() -> None:
    result = run("tiny.res", "--calibrate", "photos")
    assert result.exit_code == 0, result.output
    heading, *rows = result.stdout.splitlines()
    assert heading.split("  ")[0] == "layer"
    assert {row.split()[0] for row in rows} == {"conv1", "fc"}
    lines = result.stderr.splitlines()
    assert lines[0].startswith("logits: minimum cosine ")
    assert lines[0].endswith("1 of 1 held-out images")
    assert lines[-1].startswith("tiny.int8.onnx: ")
    assert lines[-1].endswith("Next: resdsl predict tiny.int8.onnx photo.jpg")
    assert Path("tiny.int8.onnx").exists()


def test_json_has_the_report() -> None:
    result = run("tiny.res", "--calibrate", "photos", "-o", "q.onnx", "--keep", "fc", "--json")
    found = json.loads(result.stdout)
    assert result.stderr == ""
    assert found["calibrated"] == 4
    assert found["bytes"] == Path("q.onnx").stat().st_size
    assert {layer["name"]: layer["kept"] for layer in found["layers"]} == {"conv1": False, "fc": True}
    assert found["diagnostics"] == []


def test_a_model_compiled_without_folding_is_reported() -> None:
    CliRunner().invoke(app, ["compile", "tiny.res", "-o", "m.onnx"])
    stderr = run("m.onnx", "--calibrate", "photos", "-o", "q.onnx").stderr
    assert "m.onnx has batch norms, which were folded first" in stderr


def test_an_image_that_cannot_be_read_makes_the_end_a_failure() -> None:
    Path("photos/bad.png").write_bytes(b"no image")
    result = run("tiny.res", "--calibrate", "photos", "-o", "q.onnx")
    assert result.exit_code == 1
    assert "photos/bad.png" in result.stderr
    assert Path("q.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (["tiny.res"], 2, "--calibrate"),
        (["tiny.res", "--calibrate", "nowhere"], 2, "`nowhere` does not exist"),
        (["tiny.res", "--calibrate", "photos/1.png"], 1, "needs at least 2 images"),
        (["tiny.res", "--calibrate", "photos", "--keep", "conv2"], 1, "did you mean `conv1`?"),
        (["absent.onnx", "--calibrate", "photos"], 2, "does not exist"),
        (["tiny.res", "--calibrate", "photos", "-o", "nowhere/q.onnx"], 2, "mkdir"),
        (["tiny.res", "--calibrate", "photos", "--held-back", "0.9"], 2, "held-back"),
    ],
)
def test_what_is_refused(arguments: list[str], status: int, expected: str) -> None:
    result = run(*arguments)
    assert result.exit_code == status, result.output
    assert expected in result.stderr
    assert not list(Path().glob("*.onnx"))


def test_options_of_specifications_are_for_specifications() -> None:
    CliRunner().invoke(app, ["compile", "tiny.res", "-O1", "-o", "m.onnx"])
    assert run("m.onnx", "--calibrate", "photos", "--set", "classes=3").exit_code == 2
