"""``resdsl doctor``, ``bench`` and ``compare``."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import numpy_helper
from packaging.requirements import Requirement

import resdsl
import resdsl.tools.doctor.command as doctor_module
import resdsl.tools.doctor.doctor
from resdsl.cli.app import app
from resdsl.runtime.device import nvidia_driver
from resdsl.tools.doctor.device_checks import Check, Status

NETWORK = """\
model net(width = 4) {
  input x: f32[N, 3, 16, 16]
  preprocess { resize(16); crop(16); normalize(mean = [0.5, 0.5, 0.5], std = [0.5, 0.5, 0.5]) }
  conv1: conv(width, 3x3);  bn1: bn;  relu1: relu
  stage body { residual { conv(width, 3x3); bn; relu } }
  avgpool(global)
  flatten
  fc: linear(5)
  output logits
}
"""

without_gpu = pytest.mark.skipif(nvidia_driver().problem is None, reason="there is a GPU here")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "net.res"
    path.write_text(NETWORK)
    return path


@without_gpu
def test_the_doctor_finds_this_machine_well() -> None:
    result = run("doctor")
    assert result.exit_code == 0
    assert result.stdout.endswith("no problems found\n")
    assert "runs a model (1 node)" in result.stdout


def test_the_doctor_misses_only_what_the_package_asks_for() -> None:
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())["project"]
    required = {Requirement(text).name for text in project["dependencies"]}
    found = [(one["topic"], one["name"]) for one in json.loads(run("doctor", "--json").stdout)["checks"]]
    libraries = {name for topic, name in found if topic == "resdsl"} - {"version", "Python"}
    assert libraries and libraries <= required
    development = {"test", "fuzz"}
    assert {name for topic, name in found if topic == "extras"} <= set(project["optional-dependencies"]) - development


def test_a_package_is_not_broken_at_its_hyphen(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"nvidia-curand-{number}~=10.0" for number in range(40)]
    found = [Check("NVIDIA libraries", "from pip", Status.NOTE, ", ".join(names))]
    monkeypatch.setattr(doctor_module, "doctor", lambda: iter(found))
    text = run("doctor").stdout
    assert len(text.splitlines()) > 5
    assert all(name in text for name in names)


def test_the_doctor_exits_with_1_if_there_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Check("devices", "cpu", Status.OK, "runs a model"),
        Check("devices", "cuda:0", Status.PROBLEM, "gives other values", ("update the driver",)),
    ]
    monkeypatch.setattr(doctor_module, "doctor", lambda: iter(found))
    result = run("doctor")
    assert result.exit_code == 1
    assert "fix: update the driver" in result.stdout
    assert "1 problem" in result.stdout
    quiet = run("doctor", "--quiet").stdout
    assert "cuda:0" in quiet
    assert "runs a model" not in quiet
    data = json.loads(run("doctor", "--json").stdout)
    assert (data["problems"], data["checks"][1]["status"]) == (1, "problem")


def test_the_doctor_reports_what_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ImportError("cannot import name 'runtime_version' from 'google.protobuf'")

    monkeypatch.setattr(resdsl.tools.doctor.doctor, "compile", broken)
    result = run("doctor", "--quiet")
    assert result.exit_code == 1
    assert "does not work: cannot import name 'runtime_version'" in " ".join(result.stdout.split())
    assert "fix: `pip install --force-reinstall onnx`" in result.stdout


def test_a_model_and_its_specification_are_measured_side_by_side(spec: Path, tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    specification = resdsl.load(spec)
    resdsl.compile(specification, model)
    result = run("bench", model, spec, "--seconds", "0.01", "--threads", "1", "--batch", "1,2", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)["results"]
    assert [(one["model"], one["batch"]) for one in found] == [
        (str(file), batch) for batch in (1, 2) for file in (model, spec)
    ]
    for one in found:
        assert one["macs"] == one["batch"] * specification.graph.macs
        assert one["peak"] > 0


def test_a_profile_has_the_stages_of_the_specification(spec: Path) -> None:
    result = run("bench", spec, "--profile", "--threads", "1")
    assert result.exit_code == 0, result.output
    first = [line.split()[0] for line in result.stdout.splitlines() if line]
    assert {"relu1", "body", "avgpool", "flatten", "fc", "Conv", "Gemm"} <= set(first)
    deep = run("bench", spec, "--profile", "--threads", "1", "--depth", "all").stdout
    assert "  body.2" in deep


@without_gpu
@pytest.mark.parametrize("command", ["bench", "compare"])
def test_a_gpu_that_is_not_there_is_an_error(command: str, spec: Path) -> None:
    result = run(command, spec, spec, "--device", "cuda")
    assert result.exit_code == 3
    assert "the device `cuda:0` cannot be used" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--device", "cpu", "--tf32"), "--tf32 is for a GPU"),
        (("--device", "cuda", "--trt-fp16"), "--trt-fp16 is for TensorRT"),
        (("--batch", "1,x"), "'x' is not an integer from 1"),
        (("--size", "3x4x5"), "neither a size such as 224 nor"),
        (("--device", "gpu"), "did you mean `cuda`?"),
        (("--depth", "2"), "needs --profile"),
        (("--profile", "--seconds", "1"), "--seconds and --warmup"),
        (("--profile", "--warmup", "0"), "--seconds and --warmup"),
        (("--profile", "--batch", "1,2"), "one batch size"),
        (("--profile", "--threads", "1,2"), "one number of threads"),
    ],
)
def test_options_that_make_no_sense_are_reported(options: tuple[str, ...], expected: str, spec: Path) -> None:
    result = run("bench", spec, *options)
    assert result.exit_code == 2
    assert expected in result.stderr


def test_levels_of_one_specification_compute_the_same(spec: Path) -> None:
    result = run("compare", spec, spec, "-O", "0", "--level-b", "2", "--batch", "2")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("all values agree\n")
    assert f"{spec} -O0 on" in result.stdout


def test_the_first_divergent_value_is_named(spec: Path, tmp_path: Path) -> None:
    model = onnx.load(compiled(spec, tmp_path / "a.onnx"))
    (kernel,) = [tensor for tensor in model.graph.initializer if tensor.name == "body.0.weight"]
    values = numpy_helper.to_array(kernel).copy()
    values[0, 0, 0, 0] += 1
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))
    onnx.save(model, tmp_path / "b.onnx")
    result = run("compare", tmp_path / "a.onnx", tmp_path / "b.onnx", "--json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert data["first"] == "body.0"
    departing = [value["name"] for value in data["values"] if value["diverges"]]
    agreeing = [value["name"] for value in data["values"] if not value["diverges"]]
    assert agreeing == ["conv1", "bn1", "relu1"]
    assert departing[0] == "body.0"
    shown = run("compare", tmp_path / "a.onnx", tmp_path / "b.onnx").stdout
    assert "the first is `body.0`, and the 3 before it agree" in shown


def test_arrays_and_images_are_inputs_too(spec: Path, tmp_path: Path) -> None:
    model = compiled(spec, tmp_path / "net.onnx")
    np.save(tmp_path / "x.npy", np.ones((3, 16, 16), np.float32))
    result = run("compare", model, spec, "--images", tmp_path / "x.npy", "--images", tmp_path / "x.npy", "--json")
    assert json.loads(result.stdout)["inputs"] == {"x": [2, 3, 16, 16]}
    (tmp_path / "x.npy").write_bytes(b"no array")
    broken = run("compare", model, spec, "--images", tmp_path / "x.npy")
    assert broken.exit_code == 1
    assert "cannot be read as an array" in broken.stderr


def test_weights_beside_a_model_are_found(spec: Path, tmp_path: Path) -> None:
    # 64 channels, so that a kernel is large enough to go to a file of its own.
    model = tmp_path / "net.onnx"
    resdsl.compile(resdsl.load(spec, set={"width": 64}), model, external_data=True)
    assert list(tmp_path.glob("*.data"))
    result = run("compare", model, spec, "--set", "width=64", "-O", "0")
    assert result.exit_code == 0, result.output


def compiled(spec: Path, target: Path) -> Path:
    resdsl.compile(resdsl.load(spec), target)
    return target
