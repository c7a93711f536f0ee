"""``resdsl train`` as a whole, on networks and images that train in seconds."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import resdsl
from resdsl.cli.app import app
from resdsl.diagnostics.errors import CompileError, RunError, UnavailableError
from resdsl.tools.train import train as training

NETWORK = """\
use "std/residual.res" (basic)
model tiny(classes = 10, width = 8) {
  input image: f32[N, 3, 8, 8]
  preprocess { normalize(mean = 0.5, std = 0.25) }
  conv1: conv(width, 3x3);  bn1: bn;  relu
  layer1: { basic(width) }
  avgpool(global);  flatten
  dropout(0.1)
  fc: linear(classes)
  output logits
  softmax
  output probabilities
}
"""

OPTIONS = {"epochs": 4, "batch_size": 8, "learning_rate": 0.05, "split": 0.25, "threads": 1, "device": "cpu"}


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.res"
    path.write_text(NETWORK)
    return path


def rows(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.name != "times.jsonl"}


def test_a_trained_model_has_the_accuracy_that_was_measured_and_the_labels(
    squares: Callable[..., Path], network: Path, tmp_path: Path
) -> None:
    data, held = squares("red", "green", "blue", images=16), squares("red", "green", "blue", images=5, name="held")
    trained = resdsl.train(network, data, tmp_path / "run", validation=held, **OPTIONS)  # type: ignore[arg-type]
    assert trained.best.validation_accuracy == max(row.get("validation_accuracy", 0) for row in rows(tmp_path / "run"))
    assert trained.best.validation_accuracy > 0.9
    assert trained.classes == ("blue", "green", "red")
    evaluation = resdsl.evaluate(trained.model, held)
    assert evaluation.top1.accuracy == pytest.approx(trained.best.validation_accuracy)
    assert evaluation.labels == ("blue", "green", "red")
    assert (tmp_path / "run" / "curves.svg").read_text().startswith("<svg")


def test_equal_runs_have_equal_bytes_whatever_the_number_of_readers(
    squares: Callable[..., Path], network: Path, tmp_path: Path
) -> None:
    data = squares("red", "blue", images=12)
    for readers in (1, 4):
        more = {"crop": "pad", "padding": 1, "flip": True, "mixup": 0.2, "readers": readers, "epochs": 2}
        resdsl.train(network, data, tmp_path / f"run{readers}", **{**OPTIONS, **more})  # type: ignore[arg-type]
    assert content(tmp_path / "run1") == content(tmp_path / "run4")


def test_a_killed_run_ends_with_the_bytes_of_one_that_was_not(
    squares: Callable[..., Path], network: Path, tmp_path: Path
) -> None:
    data = squares("red", "green", "blue", images=16)
    command = [sys.executable, "-m", "resdsl", "train", network, data, "--batch", "4", "--interval", "2"]
    wanted = int(os.environ.get("RESDSL_KILLS", "3"))
    command += ["--epochs", str(2 * wanted), "--crop", "pad", "--flip", "--threads", "1", "--device", "cpu", "-q", "-o"]
    subprocess.run([*command, tmp_path / "whole"], check=True, capture_output=True)
    chance = random.Random(0)
    killed = 0
    while killed < wanted:
        resume = ["--resume"] if (tmp_path / "parts" / "run.json").exists() else []
        process = subprocess.Popen([*command, tmp_path / "parts", *resume], stderr=subprocess.PIPE)
        metrics = tmp_path / "parts" / "metrics.jsonl"
        before = metrics.stat().st_size if metrics.exists() else 0
        # Into the middle of what it does, once it has done something: starting takes longer than training.
        while process.poll() is None and (not metrics.exists() or metrics.stat().st_size <= before):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.03))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
            killed += 1
        _, message = process.communicate()
        assert process.returncode == -9, message
    subprocess.run([*command, tmp_path / "parts", "--resume"], check=True, capture_output=True)
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_fine_tuning_keeps_frozen_layers_and_gives_a_new_head(
    squares: Callable[..., Path], network: Path, tmp_path: Path
) -> None:
    first = resdsl.train(network, squares("red", "green", "blue"), tmp_path / "first", **OPTIONS)  # type: ignore[arg-type]
    data = squares("cyan", "pink", name="other")
    weights = first.folder / "best.safetensors"
    second = resdsl.train(
        network,
        data,
        tmp_path / "second",
        weights=weights,
        freeze=("conv1", "bn1", "layer1.*"),
        **OPTIONS,  # type: ignore[arg-type]
    )
    assert second.classes == ("cyan", "pink")
    with resdsl.read_weights(weights) as before, resdsl.read_weights(second.folder / "best.safetensors") as after:
        frozen = [name for name in before.tensors if not name.startswith("fc.")]
        assert len(frozen) > 8
        assert all(np.array_equal(before.read(name), after.read(name)) for name in frozen)
        assert after.tensors["fc.weight"].shape == (2, 8)


def test_heads_for_training_count_as_much_as_they_are_said_to(
    squares: Callable[..., Path], network: Path, tmp_path: Path
) -> None:
    head = "  aux early { avgpool(global);  flatten;  fc: linear(classes) }\n"
    network.write_text(NETWORK.replace("  layer1:", f"{head}  layer1:").replace("  dropout(0.1)\n", ""))
    # With a learning rate of 0 all runs have the same logits, and the losses of both heads are about log 2.
    options = {**OPTIONS, "epochs": 1, "learning_rate": 0.0}
    losses = {}
    for weight in (0.0, 0.5, 1.0):
        folder = tmp_path / f"run{weight}"
        resdsl.train(network, squares("red", "blue", name=f"data{weight}"), folder, aux_weight=weight, **options)  # type: ignore[arg-type]
        losses[weight] = rows(folder)[0]["loss"]
    assert losses[1.0] - losses[0.5] == pytest.approx(losses[0.5] - losses[0.0], rel=1e-3)
    assert losses[1.0] > 1.5 * losses[0.0]


def test_layers_that_do_not_exist_cannot_be_frozen(squares: Callable[..., Path], network: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no layer is named like `layer2\.\*`") as raised:
        resdsl.train(network, squares("red", "blue"), tmp_path / "run", freeze=("layer2.*",), **OPTIONS)  # type: ignore[arg-type]
    assert raised.value.diagnostic.helps[0] == "did you mean `layer1.*`?"
    assert not (tmp_path / "run").exists()


def test_several_classes_of_an_image_are_learned(network: Path, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    targets = chance.integers(0, 2, (64, 3))
    images = 60 + chance.integers(0, 40, (64, 8, 8, 3)) + 120 * targets[:, None, None, :]
    np.savez(tmp_path / "data.npz", images=images.astype(np.uint8), labels=targets)
    options = {**OPTIONS, "epochs": 12, "learning_rate": 0.5, "loss": "binary"}
    with pytest.raises(RunError, match="ends with `softmax`, which the loss `binary` is not for"):
        resdsl.train(network, tmp_path / "data.npz", tmp_path / "run", **options)  # type: ignore[arg-type]
    network.write_text(NETWORK.replace("  softmax\n", "  sigmoid\n"))
    trained = resdsl.train(network, tmp_path / "data.npz", tmp_path / "run", **options)  # type: ignore[arg-type]
    assert trained.best.validation_accuracy is not None
    assert trained.best.validation_accuracy > 0.8


def test_a_step_that_does_not_fit_is_refused_with_the_batch_that_would(
    squares: Callable[..., Path], network: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "available_memory", lambda _device: 300_000)
    with pytest.raises(UnavailableError, match="a step of 16 images needs about") as raised:
        resdsl.train(network, squares("red", "blue", images=20), tmp_path / "run", **{**OPTIONS, "batch_size": 16})  # type: ignore[arg-type]
    assert raised.value.diagnostic.code.id == "E0892"
    assert "batch fits" not in raised.value.diagnostic.helps[0]
    assert "batch_size=" in raised.value.diagnostic.helps[0]


def test_a_loss_that_explodes_names_the_step_and_a_layer(squares: Callable[..., Path], tmp_path: Path) -> None:
    network = tmp_path / "plain.res"
    network.write_text(
        "model plain() {\n  input image: f32[N, 3, 8, 8]\n  preprocess { normalize(mean = 0.5, std = 0.25) }\n"
        "  layers: 6 x { conv(8, 3x3); relu }\n  avgpool(global);  flatten\n  fc: linear(2)\n  output logits\n}\n"
    )
    with pytest.raises(RunError, match=r"at step \d+ \(epoch") as raised:
        resdsl.train(network, squares("red", "blue"), tmp_path / "run", **{**OPTIONS, "learning_rate": 1e4})  # type: ignore[arg-type]
    assert raised.value.diagnostic.code.id == "E0891"
    assert "`" in raised.value.diagnostic.notes[0]


def test_a_network_without_classes_cannot_be_trained(squares: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "map.res").write_text("model map() {\n  input x: f32[N, 3, 8, 8]\n  c: conv(4, 3x3)\n  output y\n}\n")
    with pytest.raises((RunError, CompileError), match="nothing to train"):
        resdsl.train(tmp_path / "map.res", squares("a", "b"), tmp_path / "run", **OPTIONS)  # type: ignore[arg-type]


def test_the_command_says_what_it_does(squares: Callable[..., Path], network: Path, tmp_path: Path) -> None:
    arguments = ["train", str(network), str(squares("red", "blue", images=12)), "-o", str(tmp_path / "run")]
    arguments += ["--epochs", "2", "--batch", "6", "--threads", "1", "--device", "cpu"]
    done = CliRunner().invoke(app, arguments, standalone_mode=False)
    assert done.return_value == 0, done.output
    assert "tiny on cpu" in done.stderr
    assert "2 classes of the data, 22 images to train on and 2 for validation" in done.stderr
    assert "2 epochs of 3 steps of 6 images" in done.stderr
    assert "epoch 2: loss" in done.stderr
    assert done.stdout.startswith(str(tmp_path / "run" / "model.onnx"))
    again = CliRunner().invoke(app, arguments, standalone_mode=False)
    assert again.return_value == 2
    assert "add `--resume` to continue it" in again.stderr
    done = CliRunner().invoke(app, [*arguments, "--resume", "--json"], standalone_mode=False)
    assert json.loads(done.stdout)["resumed"] == 6
