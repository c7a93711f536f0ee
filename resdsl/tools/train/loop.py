"""The steps of a run: batches in, checkpoints and metrics out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.results import Failure
from resdsl.tools.train.batches import Batch, Floats, Reader, epoch_order, read_all, read_training
from resdsl.tools.train.classes import Targets
from resdsl.tools.train.options import LONGEST_INTERVAL, TrainOptions
from resdsl.tools.train.run_folder import Row, RunFolder, State
from resdsl.tools.train.schedule import Schedule
from resdsl.weights.sampling import generator

Tensors = Mapping[str, npt.NDArray[Any]]

_EXPLODED = 1000.0
"""A loss of so many times that of guessing is an explosion: the logarithm of the number of classes."""

_MOST_SKIPPED = 50
"""Steps in a row whose gradients overflow in mixed precision: each halves the scale of the loss."""


class StepResult(Protocol):
    """What a step gives: the mean loss of its images, how many are right, and the norm of all gradients."""

    @property
    def loss(self) -> float: ...
    @property
    def correct(self) -> int: ...
    @property
    def gradient_norm(self) -> float: ...
    @property
    def finite(self) -> bool: ...


class Steps(Protocol):
    """What runs training steps: ``resdsl.runtime.stepper.Stepper``."""

    def run(self, images: Floats, targets: Targets, *, learning_rate: float, seed: int) -> StepResult: ...
    def evaluate(self, images: Floats) -> Floats: ...
    def parameters(self) -> Tensors: ...
    def optimizer_state(self) -> Tensors: ...


class Listener:
    """Callbacks of a run, which do nothing unless they are overridden. Steps and epochs are those of the whole run."""

    def step(self, done: int, of: int, loss: float, images: int) -> None:
        """A step of so many images is done."""

    def row(self, row: Row, *, is_best: bool) -> None:
        """A checkpoint is written."""

    def failure(self, failure: Failure) -> None:
        """An image cannot be read, and is left out; each is reported once."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the steps of a run need to know."""

    options: TrainOptions
    training: Reader
    validation: Reader | None
    schedule: Schedule
    batch_size: int
    steps_per_epoch: int
    readers: int | None = None
    device: str = "cpu"

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.steps_per_epoch * self.options.epochs

    @property
    def part(self) -> int:
        """Images of a part of a batch whose gradients are added up."""
        return self.batch_size // self.options.accumulate

    @property
    def answers(self) -> int:
        """What a network can be right about in an image: its class, or whether it has each of the classes."""
        return self.training.classes if self.options.loss == "binary" else 1

    @property
    def interval(self) -> int:
        """Steps between two checkpoints within an epoch."""
        return self.options.interval or min(self.steps_per_epoch, LONGEST_INTERVAL)


@dataclass(slots=True)
class _Sums:
    """What is summed between two rows."""

    images: int = 0
    steps: int = 0
    loss: float = 0.0
    correct: int = 0
    norm: float = 0.0
    start: float = field(default_factory=time.monotonic)

    def add(self, result: StepResult, images: int) -> None:
        self.images += images
        self.loss += result.loss * images
        self.correct += result.correct
        self.norm += result.gradient_norm
        self.steps += 1


class Loop:
    """Runs the steps of a plan from a state on."""

    def __init__(
        self,
        plan: Plan,
        steps: Steps,
        folder: RunFolder,
        state: State,
        listener: Listener,
        explain: Callable[[Floats], str | None] = lambda _images: None,
    ) -> None:
        self.state = state
        self._plan = plan
        self._steps = steps
        self._folder = folder
        self._listener = listener
        self._explain = explain
        self._failed: set[str] = set()
        self._skipped = 0

    def run(self) -> State:
        """Run all steps that are left. Raises ``RunError`` if the training diverges or no image can be read."""
        self._folder.begin(self.state)
        while self.state.step < self._plan.steps:
            self._epoch(self.state.step // self._plan.steps_per_epoch)
        return self.state

    def _epoch(self, epoch: int) -> None:
        plan = self._plan
        first = epoch * plan.steps_per_epoch
        parts = plan.options.accumulate
        sums = _Sums()
        batches = read_training(plan.training, self._places(epoch), plan.readers)
        with closing(batches):
            for step in range(self.state.step, first + plan.steps_per_epoch):
                images = 0
                rate = plan.schedule.rate(step)
                for part in range(parts):
                    batch = next(batches)
                    self._report(batch.failures, step, epoch)
                    if not len(batch.images):
                        raise _none_readable(batch.failures[0], step, epoch)
                    seed = int(generator(f"step:{step}:{part}", plan.options.seed).integers(1 << 31))
                    result = self._steps.run(batch.images, batch.targets, learning_rate=rate, seed=seed)
                    self._check(result, batch, step, epoch, rate)
                    if result.finite:
                        sums.add(result, len(batch.images))
                    images += len(batch.images)
                if self.state.first_loss is None and result.finite:
                    self.state = replace(self.state, first_loss=result.loss)
                self.state = replace(self.state, step=step + 1)
                self._listener.step(step + 1, plan.steps, result.loss, images)
                if (step + 1 - first) % plan.interval == 0 or step + 1 == first + plan.steps_per_epoch:
                    self._checkpoint(sums, rate)
                    sums = _Sums()

    def _places(self, epoch: int) -> Iterator[tuple[int, Sequence[int]]]:
        """The places of the images of each part of each batch that is left of an epoch."""
        plan = self._plan
        order = epoch_order(len(plan.training.samples), epoch, plan.options.seed)
        begin = (self.state.step - epoch * plan.steps_per_epoch) * plan.batch_size
        for first in range(begin, plan.steps_per_epoch * plan.batch_size, plan.part):
            yield epoch, order[first : first + plan.part]

    def _checkpoint(self, sums: _Sums, rate: float) -> None:
        plan, step = self._plan, self.state.step
        seconds = time.monotonic() - sums.start
        row = Row(
            step,
            step / plan.steps_per_epoch,
            rate,
            sums.loss / max(sums.images, 1),
            sums.correct / max(sums.images * plan.answers, 1),
            sums.norm / max(sums.steps, 1),
        )
        if plan.validation is not None and step % plan.steps_per_epoch == 0:
            loss, accuracy = self._validate(plan.validation)
            row = replace(row, validation_loss=loss, validation_accuracy=accuracy)
        is_best = _is_better(row, self.state.best, binary=plan.options.loss == "binary")
        length = self._folder.record(row)
        self.state = replace(self.state, metrics_bytes=length, best=row if is_best else self.state.best)
        parameters = self._steps.parameters()
        if is_best:
            self._folder.save_best(parameters)
        self._folder.save(self.state, parameters, self._steps.optimizer_state())
        self._folder.add_time(
            {
                "step": step,
                "images": sums.images,
                "seconds": round(seconds, 3),
                "images_per_second": round(sums.images / max(seconds, 1e-9), 1),
                "device": plan.device,
            }
        )
        self._listener.row(row, is_best=is_best)

    def _validate(self, reader: Reader) -> tuple[float, float]:
        """Mean loss and accuracy on all images that were held back."""
        total, correct, images = 0.0, 0, 0
        with closing(read_all(reader, self._plan.part, self._plan.readers)) as batches:
            for batch in batches:
                self._report(batch.failures, self.state.step - 1, (self.state.step - 1) // self._plan.steps_per_epoch)
                if not len(batch.images):
                    continue
                logits = self._steps.evaluate(batch.images)
                losses, right = scores(logits, batch.targets, binary=self._plan.options.loss == "binary")
                total += float(losses.sum())
                correct += int(right.sum())
                images += len(batch.images)
        return total / max(images, 1), correct / max(images * self._plan.answers, 1)

    def _check(self, result: StepResult, batch: Batch, step: int, epoch: int, rate: float) -> None:
        """Raise ``RunError`` if the loss is not a number or has exploded."""
        guessing = math.log(max(self._plan.training.classes, 2))
        finite = result.finite and math.isfinite(result.loss)
        if finite and result.loss < _EXPLODED * guessing:
            self._skipped = 0
            return
        if not finite and self._plan.options.precision == "mixed" and self._skipped < _MOST_SKIPPED:
            self._skipped += 1  # the scale of the loss falls, and the step changes nothing
            return
        first = self.state.first_loss
        began = "" if first is None else f"; at the first step it was {first:.4g}"
        what = f"has grown to {result.loss:.4g}" if finite else "or its gradient is not a finite number"
        where = self._explain(batch.images)
        lower = float(f"{self._plan.schedule.peak / 10:.3g}")
        raise RunError.of(
            catalogue.DIVERGED,
            f"the loss {what} at step {step + 1} (epoch {epoch + 1}, learning rate {rate:.4g}){began}",
            notes=(*((where,) if where else ()), f"the last checkpoint is of step {self._last_checkpoint()}"),
            helps=(
                Text("use a lower learning rate: ", Option("learning_rate", lower)),
                Text("or let it rise in the first epochs: ", Option("warmup", 5)),
                Text("or clip gradients: ", Option("clip_norm", 1.0)),
            ),
        )

    def _last_checkpoint(self) -> int:
        return self._folder.rows[-1].step if self._folder.rows else 0

    def _report(self, failures: Sequence[Failure], step: int, epoch: int) -> None:
        for failure in failures:
            if failure.image not in self._failed:
                self._failed.add(failure.image)
                self._listener.failure(self._placed(failure, step, epoch))

    def _placed(self, failure: Failure, step: int, epoch: int) -> Failure:
        """The failure with the step at which it was found."""
        note = f"found at step {step + 1} (epoch {epoch + 1}); training goes on without the image"
        return replace(failure, diagnostic=replace(failure.diagnostic, notes=(*failure.diagnostic.notes, note)))


def scores(
    logits: Floats, targets: Targets, *, binary: bool = False
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The loss of each image, and whether the network is right: about its class, or with ``binary`` about each class.

    Cross entropy, and for ``binary`` its mean over the classes.
    """
    values = logits.astype(np.float64)
    if binary:
        losses = np.maximum(values, 0) - values * targets + np.log1p(np.exp(-np.abs(values)))
        return losses.mean(axis=1), (values > 0) == (targets > 0.5)
    values -= values.max(axis=1, keepdims=True)
    logarithms = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
    predicted = values.argmax(axis=1)
    if targets.ndim == 2:
        return -(targets * logarithms).sum(axis=1), predicted == targets.argmax(axis=1)
    return -logarithms[np.arange(len(values)), targets], predicted == targets


def _none_readable(failure: Failure, step: int, epoch: int) -> RunError:
    note = f"no image of the batch can be read, at step {step + 1} (epoch {epoch + 1})"
    return RunError(replace(failure.diagnostic, notes=(*failure.diagnostic.notes, note)))


def _is_better(row: Row, best: Row | None, *, binary: bool) -> bool:
    """Whether a row is the best so far: by accuracy, then loss; without validation the last one is."""
    if row.validation_loss is None:
        return best is None or best.validation_loss is None
    if best is None or best.validation_loss is None or best.validation_accuracy is None:
        return True
    if binary or row.validation_accuracy == best.validation_accuracy:
        return row.validation_loss < best.validation_loss
    assert row.validation_accuracy is not None
    return row.validation_accuracy > best.validation_accuracy
