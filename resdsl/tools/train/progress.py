"""What a terminal shows of a run: a progress bar, and a line for each checkpoint."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from resdsl.analysis.quantities import short, size
from resdsl.cli.image_progress import Failures
from resdsl.cli.terminal import Terminal
from resdsl.diagnostics import Diagnostics, catalogue
from resdsl.runtime.results import Failure
from resdsl.tools.train.plan import Prepared
from resdsl.tools.train.run_folder import Row
from resdsl.tools.train.train import Watcher

if TYPE_CHECKING:
    from rich.progress import Progress

_SMOOTHING = 0.05
"""The weight of the newest step in the loss that the bar shows."""


class Shown(Watcher):
    """Draws the progress of a run."""

    def __init__(self, terminal: Terminal) -> None:
        self.failures = Failures()
        self._terminal = terminal
        self._bar: Progress | None = None
        self._loss: float | None = None
        self._accuracy = ""
        self._images = 0
        self._start = time.monotonic()
        self._wanted = sys.stderr.isatty() and not terminal.quiet and not terminal.as_json

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Draw the bar while the block runs."""
        try:
            yield
        finally:
            if self._bar is not None:
                self._bar.stop()

    def prepared(self, run: Prepared, device: str, resumed: int) -> None:
        plan, cost = run.plan, run.cost
        diagnostics = Diagnostics()
        for one in (*run.specification.diagnostics, *run.warnings):
            # The labels of the data take the place of those that do not fit.
            if not (one.code is catalogue.LABEL_COUNT and run.classes.are_new):
                diagnostics.report(one)
        self._terminal.show(diagnostics)
        held = len(plan.validation.samples) if plan.validation else 0
        say = self._terminal.say
        say(
            f"{run.graph.name} on {device}: {short(run.graph.parameter_count)} parameters, "
            f"{run.classes.count} classes{' of the data' if run.classes.are_new else ''}, "
            f"{len(plan.training.samples):,} images to train on and {held:,} for validation"
        )
        memory = f"about {size(cost.bytes)} of memory" if isinstance(cost.bytes, int) else "memory not known"
        say(
            f"{plan.options.epochs} epochs of {plan.steps_per_epoch:,} steps of {plan.batch_size} images; "
            f"{short(cost.macs)} MACs a step, {memory}"
        )
        if resumed:
            say(f"resumed after step {resumed:,} of {plan.steps:,}")
        self._start = time.monotonic()

    def step(self, done: int, of: int, loss: float, images: int) -> None:
        self._loss = loss if self._loss is None else self._loss + _SMOOTHING * (loss - self._loss)
        self._images += images
        if not self._wanted:
            return
        if self._bar is None:
            self._bar = _bar()
            self._bar.add_task("training", total=of, completed=done - 1, note="")
            self._bar.start()
        rate = self._images / max(time.monotonic() - self._start, 1e-9)
        note = f"loss {self._loss:.3f}{self._accuracy}  {rate:,.0f} images/s"
        self._bar.update(self._bar.task_ids[0], completed=done, note=note)

    def row(self, row: Row, *, is_best: bool) -> None:
        held = ""
        if row.validation_accuracy is not None:
            held = f"; validation: loss {row.validation_loss:.4f}, accuracy {row.validation_accuracy:.2%}"
            self._accuracy = f"  accuracy {row.validation_accuracy:.2%}"
        line = (
            f"epoch {row.epoch:g}: loss {row.loss:.4f}, accuracy {row.accuracy:.2%}{held}"
            f"{' (best)' if is_best and held else ''}"
        )
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            self._terminal.say(line)

    def failure(self, failure: Failure) -> None:
        self.failures.add_result(failure)


def _bar() -> Progress:
    from rich import progress  # imported only to draw
    from rich.console import Console

    columns = (
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[note]}"),
        progress.TimeRemainingColumn(),
    )
    return progress.Progress(*columns, console=Console(stderr=True), transient=True)
