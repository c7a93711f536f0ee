"""``resdsl compile`` with lower precision, embedded preprocessing, and for one machine."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from safetensors.numpy import save_file
from skimage import data

from resdsl.cli.app import app

NET = """\
model net {
  input x: f32[N, 3, 32, 32]
  preprocess { resize(36);  crop(32);  normalize(mean = [0.5, 0.5, 0.5], std = [0.2, 0.2, 0.2]) }
  conv1: conv(64, 3x3);  bn1: bn;  relu
  residual { norm: bn;  relu;  conv2: conv(64, 3x3) }
  avgpool(global);  flatten;  fc: linear(10)
  output logits
}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.res").write_text(NET)
    Image.fromarray(data.chelsea()).save("cat.png")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def compiled(*arguments: str) -> Result:
    result = run("compile", "net.res", "-o", "m.onnx", *arguments)
    assert result.exit_code == 0, result.output
    return result


def first_class(model: str = "m.onnx") -> dict[str, float]:
    result = run("predict", model, "cat.png", "--top", "1", "--device", "cpu", "--json")
    assert result.exit_code == 0, result.output
    (prediction,) = json.loads(result.stdout)["predictions"]
    best: dict[str, float] = prediction["classes"][0]
    return best


@pytest.mark.parametrize("level", ["-O0", "-O1", "-O2"])
def test_half_precision_takes_half_the_bytes_and_runs(level: str) -> None:
    compiled(level)
    whole, size = first_class(), Path("m.onnx").stat().st_size
    compiled(level, "--precision", "fp16")
    half = first_class()
    assert half["index"] == whole["index"]
    assert half["probability"] == pytest.approx(whole["probability"], rel=0.02)
    # 39 thousand parameters of 4 or 2 bytes, and some kilobytes of nodes in both files.
    assert 0.5 < Path("m.onnx").stat().st_size / size < 0.6
    model = onnx.load("m.onnx")
    assert {
        tensor.data_type for tensor in model.graph.initializer if "." in tensor.name and ":" not in tensor.name
    } == {onnx.TensorProto.FLOAT16}
    onnx.checker.check_model(model, full_check=True)


def test_bfloat16_is_written_with_a_warning_and_refused_where_it_cannot_run() -> None:
    result = compiled("-O1", "--precision", "bf16")
    assert "warning[W0702]" in result.stderr
    model = onnx.load("m.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version == 22  # the first that has convolutions of bfloat16
    refused = run("predict", "m.onnx", "cat.png", "--device", "cpu")
    assert refused.exit_code == 1
    assert "error[E0830]" in refused.stderr
    assert "compiled again with `--precision fp16`" in refused.stderr


def test_a_weight_that_fp16_cannot_hold_is_reported_and_nothing_written() -> None:
    compiled()
    weights = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load("m.onnx").graph.initializer
        if ":" not in tensor.name
    }
    # A channel that hardly varies: the folded kernel is 1 / sqrt(1e-5) = 316 times the one that was trained.
    weights["bn1.running_var"] = np.zeros(64, np.float32)
    weights["conv1.weight"] = np.full((64, 3, 3, 3), 300, np.float32)
    save_file(weights, "weights.safetensors")
    Path("m.onnx").unlink()
    result = run("compile", "net.res", "-o", "m.onnx", "-O1", "--weights", "weights.safetensors", "--precision", "fp16")
    assert result.exit_code == 1
    assert "error[E0718]: `conv1.weight` holds 94,8" in result.stderr  # 300 / sqrt(1e-5) = 94,868
    assert not Path("m.onnx").exists()
    assert run("compile", "net.res", "-O1", "--weights", "weights.safetensors", "--precision", "bf16").exit_code == 0


def test_a_model_with_its_preprocessing_inside_sees_what_the_other_sees() -> None:
    compiled("-O1")
    plain = first_class()
    result = compiled("-O1", "--embed-preprocess")
    assert result.stderr.splitlines()[-1].endswith("Next: resdsl predict m.onnx photo.jpg")
    inside = first_class()
    assert inside["index"] == plain["index"]
    assert inside["probability"] == pytest.approx(plain["probability"], rel=0.01)
    model = onnx.load("m.onnx")
    entries = {entry.key: entry.value for entry in model.metadata_props}
    assert "resdsl.preprocess" not in entries
    assert [step["step"] for step in json.loads(entries["resdsl.preprocess.embedded"])] == [
        "resize",
        "crop",
        "normalize",
    ]
    onnx.checker.check_model(model, full_check=True)


def test_preprocessing_that_onnx_cannot_do_is_refused() -> None:
    Path("net.res").write_text(NET.replace("resize(36)", "resize(36, lanczos)"))
    result = run("compile", "net.res", "--embed-preprocess")
    assert result.exit_code == 1
    assert "error[E0843]: ONNX has no `lanczos` interpolation" in result.stderr
    assert not Path("net.onnx").exists()


def test_for_runtime_reports_where_the_model_runs() -> None:
    result = compiled("--for-runtime", "--precision", "fp16", "--embed-preprocess")
    assert "m.onnx runs only on this machine" in result.stderr
    first_class()
    refused = run("compile", "net.res", "--for-runtime", "-o", "-")
    assert refused.exit_code == 2
    assert "error[E0814]" in refused.stderr


def test_the_graph_as_text_is_the_one_that_is_written() -> None:
    text = run("compile", "net.res", "--emit", "ir", "-O1", "--embed-preprocess", "--precision", "fp16").stdout
    assert text.startswith("graph net(%x: u8[N, rows, columns, 3]) {\n  %preprocess.resize = ")
    assert "{weight: f16(conv1), bias: f16(conv1)}" in text
    assert "output logits = %fc.f32" in text
