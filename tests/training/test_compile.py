"""``resdsl compile --train``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from click.testing import CliRunner, Result

from resdsl.cli.app import app

from .small import NET, graph, tensors


def _compile(folder: Path, *arguments: str, text: str = NET) -> Result:
    specification = folder / "small.res"
    specification.write_text(text)
    return CliRunner().invoke(app, ["compile", str(specification), "--train", *arguments])


def test_a_step_runs_in_onnx_runtime_by_the_protocol(tmp_path: Path) -> None:
    output = tmp_path / "step.onnx"
    done = _compile(tmp_path, "--step", "weight_decay=0.1", "--step", "frozen=conv1.*", "-o", str(output), "--json")
    assert done.exit_code == 0, done.output
    described = json.loads(done.stdout)
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    values = tensors(graph())
    state = {
        name: values[name]
        if one["kind"] == "parameter"
        else np.full_like(values[name.partition(":")[0]], one["initial"])
        for name, one in described["state"].items()
    }
    frozen = {name: values[name] for name in described["frozen"]}
    assert set(frozen) == {"conv1.weight"}
    feeds = {
        "images": np.random.default_rng(0).standard_normal((4, 2, 6, 6)).astype(np.float32),
        "targets": np.eye(3, dtype=np.float32)[[0, 1, 2, 0]],
        "learning_rate": np.array(0.1, np.float32),
        "seed": np.array(0, np.int64),
    }
    losses = []
    names = [one["name"] for one in described["outputs"]]
    for _ in range(20):
        results = dict(zip(names, session.run(names, {**feeds, **state, **frozen}), strict=True))
        state = {name: results[f"{name}:next"] for name in state}
        losses.append(float(results["loss"]))
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--step", "optimizer=adam"], "'adam' is not one of sgd, adamw"),
        (["--step", "rate=1"], "'rate=1' is not NAME=VALUE with one of loss,"),
        (["--step", "momentum"], "'momentum' is not NAME=VALUE"),
        (["--step", "momentum=high"], "'momentum=high' is not a value of momentum"),
        (["--step", "nesterov=yes"], "'nesterov=yes' is not a value of nesterov"),
        (["--step", "betas=0.9"], "'betas=0.9' is not a value of betas"),
        (["--step", "clip_norm=0"], "`clip_norm` must be above 0"),
        (["--precision", "fp16"], "--precision has no effect with --train"),
        (["--weights", "a.safetensors"], "--weights has no effect with --train"),
        (["-O", "1"], "-O has no effect with --train"),
    ],
)
def test_options_that_are_wrong_are_usage_errors(tmp_path: Path, arguments: list[str], message: str) -> None:
    output = tmp_path / "step.onnx"
    done = _compile(tmp_path, *arguments, "-o", str(output))
    assert done.exit_code == 2
    assert message in done.output.replace("\n", " ")
    assert not output.exists()


def test_options_of_a_step_need_train(tmp_path: Path) -> None:
    specification = tmp_path / "small.res"
    specification.write_text(NET)
    done = CliRunner().invoke(app, ["compile", str(specification), "--step", "momentum=0.5"])
    assert done.exit_code == 2
    assert "--step is an option of --train" in done.output


def test_a_network_that_cannot_be_trained_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    output = tmp_path / "step.onnx"
    output.write_bytes(b"before")
    done = _compile(
        tmp_path, "-o", str(output), text="model m { input x: f32[N, 3, 8, 8];  c: conv(3, 3x3);  output y }"
    )
    assert done.exit_code == 1
    assert "E0857" in done.output
    assert output.read_bytes() == b"before"
