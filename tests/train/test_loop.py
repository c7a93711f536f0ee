"""The steps of a run: batches, checkpoints, interruptions, divergence; with steps that need no ONNX Runtime."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resdsl.diagnostics.errors import RunError
from resdsl.ir.preprocess import Normalize, Preprocess
from resdsl.runtime.results import Failure
from resdsl.tools.train.augmentation import Augmentation, CropKind
from resdsl.tools.train.batches import InputForm, Reader, epoch_order, read_training
from resdsl.tools.train.classes import classes_of, samples_of
from resdsl.tools.train.labelled import read_labelled
from resdsl.tools.train.loop import Listener, Loop, Plan, scores
from resdsl.tools.train.options import TrainOptions
from resdsl.tools.train.run_folder import State, open_run
from resdsl.tools.train.schedule import Schedule

from .fake_steps import FakeResult, Regression

FORM = InputForm(3, 8, 8, Preprocess((Normalize((0.5,) * 3, (0.25,) * 3),)))
AUGMENTED = Augmentation(CropKind.PAD, flip=True, mixup=0.3, padding=1)
DESCRIPTION: Mapping[str, object] = {"network": "net", "options": {"seed": 0}}


def reader(folder: Path, augmentation: Augmentation = AUGMENTED) -> Reader:
    data = read_labelled(str(folder))
    samples = samples_of(data, classes_of(data, "net", (), 3, may_change=True, new=False), "net")
    return Reader(samples, FORM, 3, augmentation)


def plan(folder: Path, **changes: Any) -> Plan:
    readers = changes.pop("readers", 1)
    options = TrainOptions(**{"epochs": 3, "batch_size": 6, "interval": 2, "learning_rate": 0.01, **changes})
    images = reader(folder)
    steps = len(images.samples) // options.batch_size
    schedule = Schedule(options.peak_rate(pretrained=False), steps * options.epochs)
    held = reader(folder, Augmentation())
    return Plan(options, images, held, schedule, options.batch_size, steps, readers)


class Heard(Listener):
    def __init__(self) -> None:
        self.failures: list[Failure] = []

    def failure(self, failure: Failure) -> None:
        self.failures.append(failure)


def run(wanted: Plan, target: Path, steps: Any = None, listener: Listener | None = None) -> Any:
    """Run or resume in the folder ``target``; returns the steps."""
    steps = steps or Regression(3 * 8 * 8, 3)
    with open_run(target, DESCRIPTION, resume=target.exists()) as folder:
        loaded = folder.load()
        if loaded:
            steps.load(loaded.parameters, loaded.optimizer)
        Loop(wanted, steps, folder, loaded.state if loaded else State(), listener or Listener()).run()
    return steps


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.name != "times.jsonl"}


def test_an_epoch_has_each_image_once_in_an_order_of_its_own() -> None:
    orders = [epoch_order(20, epoch, seed) for epoch in (0, 1) for seed in (0, 1)]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


def test_batches_do_not_depend_on_the_number_of_threads(squares: Callable[..., Path]) -> None:
    images = reader(squares("a", "b", "c"))
    batches = [(epoch, epoch_order(18, epoch, 0)[first : first + 5]) for epoch in (0, 1) for first in (0, 5, 10)]
    one, four = (
        [batch.images.tobytes() + batch.targets.tobytes() for batch in read_training(images, batches, threads)]
        for threads in (1, 4)
    )
    assert one == four
    assert len(set(one)) == len(one)


def test_augmentation_changes_an_image_from_epoch_to_epoch(squares: Callable[..., Path]) -> None:
    images = reader(squares("a", "b", "c"), replace(AUGMENTED, mixup=0.0))
    seen = {images.training_batch(epoch, [4]).images.tobytes() for epoch in range(12)}
    assert len(seen) > 5
    assert len({images.batch([4]).images.tobytes() for _ in range(3)}) == 1


def test_training_learns_and_keeps_the_best(squares: Callable[..., Path], tmp_path: Path) -> None:
    run(plan(squares("a", "b", "c"), epochs=12, mixup=0.0), tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == sorted({*range(2, 37, 3), *range(3, 37, 3)})
    held = [row for row in rows if "validation_accuracy" in row]
    assert [row["epoch"] for row in held] == list(range(1, 13))
    assert max(row["validation_accuracy"] for row in held) > 0.9


@pytest.mark.parametrize("kills", [[2], [1, 3, 4], [3, 3, 2]])
@pytest.mark.parametrize("readers", [1, 3])
def test_an_interrupted_run_ends_with_the_same_bytes(
    squares: Callable[..., Path], tmp_path: Path, kills: list[int], readers: int
) -> None:
    data = squares("a", "b", "c")
    run(plan(data), tmp_path / "whole")

    for left in kills:
        with pytest.raises(KeyboardInterrupt):
            run(plan(data, readers=readers), tmp_path / "parts", Regression(192, 3, most=left))
    run(plan(data, readers=readers), tmp_path / "parts")
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_rows_that_no_checkpoint_has_are_cut_off(squares: Callable[..., Path], tmp_path: Path) -> None:
    data = squares("a", "b", "c")
    run(plan(data), tmp_path / "whole")
    before = content(tmp_path / "whole")
    with (tmp_path / "whole" / "metrics.jsonl").open("ab") as stream:
        stream.write(b'{"step": 99, "epo')
    run(plan(data), tmp_path / "whole")
    assert content(tmp_path / "whole") == before


def test_an_unreadable_image_is_reported_once_with_the_step_and_left_out(
    squares: Callable[..., Path], tmp_path: Path
) -> None:
    folder = squares("a", "b", "c")
    broken = folder / "b" / "002.png"
    broken.write_bytes(broken.read_bytes()[:60])
    heard = Heard()
    steps = run(plan(folder, mixup=0.0), tmp_path / "run", listener=heard)
    (failure,) = heard.failures
    assert failure.image == str(broken)
    place = epoch_order(18, 0, 0).index(8)
    assert f"step {place // 6 + 1} (epoch 1)" in failure.diagnostic.notes[-1]
    assert Counter(len(images) for images in steps.seen) == {6: 6, 5: 3}


def test_a_batch_without_a_readable_image_ends_the_run(squares: Callable[..., Path], tmp_path: Path) -> None:
    folder = squares("a", "b", "c")
    for file in folder.glob("*/*.png"):
        file.write_bytes(b"no image")
    with pytest.raises(RunError, match="not an image") as raised:
        run(plan(folder), tmp_path / "run")
    assert "step 1 (epoch 1)" in raised.value.diagnostic.notes[-1]


@pytest.mark.parametrize("loss", [math.nan, math.inf, 1e6])
def test_a_loss_that_is_no_number_or_explodes_ends_the_run_with_its_step(
    squares: Callable[..., Path], tmp_path: Path, loss: float
) -> None:
    class Diverges(Regression):
        def run(self, *given: Any, **options: Any) -> FakeResult:
            result = super().run(*given, **options)
            return replace(result, loss=loss, finite=math.isfinite(loss)) if len(self.seen) == 6 else result

    with pytest.raises(RunError, match=r"at step 6 \(epoch 2, learning rate 0\.00") as raised:
        run(plan(squares("a", "b", "c")), tmp_path / "run", Diverges(192, 3))
    assert raised.value.diagnostic.code.id == "E0891"
    assert raised.value.diagnostic.notes == ("the last checkpoint is of step 5",)
    assert (tmp_path / "run" / "last.safetensors").exists()


def test_mixed_precision_skips_steps_whose_gradients_overflow(squares: Callable[..., Path], tmp_path: Path) -> None:
    class Overflows(Regression):
        def run(self, *given: Any, **options: Any) -> FakeResult:
            result = super().run(*given, **options)
            return replace(result, finite=len(self.seen) not in (2, 3))

    steps = run(plan(squares("a", "b", "c"), precision="mixed"), tmp_path / "run", Overflows(192, 3))
    assert len(steps.seen) == 9


def test_parts_of_a_batch_are_run_one_by_one(squares: Callable[..., Path], tmp_path: Path) -> None:
    steps = run(plan(squares("a", "b", "c"), accumulate=3, epochs=1), tmp_path / "run")
    assert [len(images) for images in steps.seen] == [2] * 9


def test_a_folder_with_a_run_is_not_replaced(squares: Callable[..., Path], tmp_path: Path) -> None:
    run(plan(squares("a", "b", "c"), epochs=1), tmp_path / "run")
    with (
        pytest.raises(RunError, match="has a training run") as raised,
        open_run(tmp_path / "run", DESCRIPTION, resume=False),
    ):
        raise AssertionError
    assert raised.value.diagnostic.code.id == "E0815"


def test_a_run_is_not_resumed_with_other_options(squares: Callable[..., Path], tmp_path: Path) -> None:
    run(plan(squares("a", "b", "c"), epochs=1), tmp_path / "run")
    other = {**DESCRIPTION, "options": {"seed": 1}}
    with (
        pytest.raises(RunError, match=r"had another options\.seed") as raised,
        open_run(tmp_path / "run", other, resume=True),
    ):
        raise AssertionError
    assert raised.value.diagnostic.helps[0] == "it was `0`, and is now `1`"


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="not of a training run"), open_run(tmp_path, DESCRIPTION, resume=False):
        raise AssertionError
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_two_runs_do_not_write_one_folder(tmp_path: Path) -> None:
    with (
        open_run(tmp_path / "run", DESCRIPTION, resume=False),
        pytest.raises(RunError, match="another process trains into"),
        open_run(tmp_path / "run", DESCRIPTION, resume=True),
    ):
        raise AssertionError


def test_scores_are_cross_entropy_and_accuracy() -> None:
    logits = np.array([[2.0, 0.0, -1.0], [0.5, 0.6, 0.4]], np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    losses, right = scores(logits, np.array([0, 2]))
    assert losses == pytest.approx([-math.log(shares[0, 0]), -math.log(shares[1, 2])])
    assert list(right) == [True, False]
    soft, _ = scores(logits, np.array([[0.5, 0.5, 0], [0, 0, 1]], np.float32))
    assert soft[0] == pytest.approx(-0.5 * math.log(shares[0, 0]) - 0.5 * math.log(shares[0, 1]))


def test_binary_scores_are_of_each_class() -> None:
    logits, targets = np.array([[2.0, -3.0]], np.float32), np.array([[1, 1]], np.float32)
    losses, right = scores(logits, targets, binary=True)
    first, second = 1 / (1 + math.exp(-2)), 1 / (1 + math.exp(3))
    assert losses == pytest.approx([-(math.log(first) + math.log(second)) / 2])
    assert right.tolist() == [[True, False]]
