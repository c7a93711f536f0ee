"""``resdsl quantize``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from skimage import data

from resdsl.cli.app import app
from resdsl.tools.quantize.kernels import kernels_saturate

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
    fast(monkeypatch, 1.5)


def fast(monkeypatch: pytest.MonkeyPatch, gain: float) -> None:
    """int8 is ``gain`` times as fast. For networks of microseconds it would be another number in each run."""
    monkeypatch.setattr("resdsl.tools.quantize.quantize.gain", lambda *_: gain)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["quantize", *arguments])


def test_the_worst_layers_and_the_next_command_are_reported() -> None:
    result = run("tiny.res", "--calibrate", "photos")
    assert result.exit_code == 0, result.output
    heading, *rows = result.stdout.splitlines()
    assert heading.split("  ")[0] == "layer"
    assert {row.split()[0] for row in rows} == {"conv1", "fc"}
    lines = result.stderr.splitlines()
    tried = [line.split(":")[0].split(maxsplit=1) for line in lines[:4]]
    assert [name for _, name in tried] == ["minmax", "nearest", "gptq", "gptq, percentile ranges"]
    assert sorted(word for word, _ in tried) == ["chose", "tried", "tried", "tried"]
    assert lines[4].startswith("logits: minimum cosine ")
    assert lines[4].endswith("1 of 1 held-out images")
    assert lines[5].startswith("quantization alone: mean cosine ")
    assert lines[6] == "this CPU's kernels are within one step of the graph in all of 2 layers"
    assert lines[7] == "int8 is 1.50 times as fast as floating point on this CPU (CPU time of one thread)"
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
    assert [one["method"] for one in found["candidates"]] == ["minmax", "nearest", "gptq", "gptq"]
    assert [one["ranges"] for one in found["candidates"]] == ["minmax", "minmax", "minmax", "percentile"]
    assert found["gain"] == 1.5
    (chosen,) = [one for one in found["candidates"] if one["chosen"]]
    assert (found["method"], found["target"], found["saturating"]) == (chosen["method"], "any", chosen["saturating"])
    assert chosen["agreement"]["mean_cosine"] == found["outputs"][0]["mean_cosine"]
    assert found["as_written"][0]["output"] == "logits"
    kernels = {layer["name"]: layer["kernel_steps"] for layer in found["layers"]}
    assert kernels["fc"] is None  # in floating point
    assert kernels["conv1"] <= 1


def test_a_network_that_is_slower_in_int8_is_better_kept_in_floating_point(monkeypatch: pytest.MonkeyPatch) -> None:
    fast(monkeypatch, 0.7)
    stderr = run("tiny.res", "--calibrate", "photos", "-o", "q.onnx").stderr
    slower = "int8 is slower than floating point on this CPU (CPU time of one thread): 0.70 times as fast"
    assert f"{slower}; keep using tiny.res\n" in stderr
    # The search went on: fewer operators in int8, and layers in floating point.
    assert "tried gptq, percentile ranges, layers only: " in stderr
    assert "1 layer kept: " in stderr


def test_one_method_and_a_budget_of_nothing() -> None:
    found = json.loads(run("tiny.res", "--calibrate", "photos", "-o", "q.onnx", "--method", "gptq", "--json").stdout)
    assert [one["method"] for one in found["candidates"]] == ["gptq"]
    found = json.loads(run("tiny.res", "--calibrate", "photos", "-o", "r.onnx", "--budget", "0", "--json").stdout)
    problems = [(one["method"], one["problem"]) for one in found["candidates"] if one["problem"]]
    assert [method for method, _ in problems] == ["nearest", "gptq", "gptq"]
    assert {problem for _, problem in problems} == {"not finished within the budget"}
    # What remains is safe on any CPU, or was measured on one whose kernels saturate.
    assert found["saturating"] == [] or kernels_saturate()


def test_a_model_for_cpus_with_vnni_needs_no_bound() -> None:
    found = json.loads(run("tiny.res", "--calibrate", "photos", "-o", "q.onnx", "--for", "vnni", "--json").stdout)
    assert found["target"] == "vnni"
    best = max(found["candidates"], key=lambda one: one["agreement"]["mean_cosine"])
    assert found["method"] == best["method"]


def test_a_model_compiled_without_folding_is_reported() -> None:
    CliRunner().invoke(app, ["compile", "tiny.res", "-o", "m.onnx"])
    stderr = run("m.onnx", "--calibrate", "photos", "-o", "q.onnx").stderr
    assert "m.onnx has batch norms, which were folded first" in stderr


def test_an_image_that_cannot_be_read_makes_the_end_a_failure() -> None:
    Path("photos/0bad.png").write_bytes(b"no image")  # not the one that is held back
    result = run("tiny.res", "--calibrate", "photos", "-o", "q.onnx")
    assert result.exit_code == 1
    assert "photos/0bad.png" in result.stderr
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
