"""A progress bar on standard error, only on a terminal and only for long work."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

DELAY = 0.5
"""Seconds before the bar is drawn. For work finished by then, rich is not even imported."""

Unit = Literal["bytes", "images"]


class Bar:
    """Draws the progress, with the total if it is known, and images per second."""

    def __init__(self, task: str, unit: Unit) -> None:
        self._task = task
        self._unit = unit
        self._start = time.monotonic()
        self._drawn: Progress | None = None

    def __call__(self, done: int, total: int | None) -> None:
        if self._drawn is None:
            if time.monotonic() - self._start < DELAY:
                return
            self._drawn = _drawing(self._unit)
            self._drawn.add_task(self._task, total=total, completed=done)
            self._drawn.start()
        self._drawn.update(self._drawn.task_ids[0], completed=done, total=total)

    def close(self) -> None:
        if self._drawn is not None:
            self._drawn.stop()


@contextmanager
def bar(task: str, *, wanted: bool, unit: Unit = "bytes") -> Iterator[Bar | None]:
    """A bar while the block runs; ``None`` if it is not wanted or standard error is not a terminal."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    drawn = Bar(task, unit)
    try:
        yield drawn
    finally:
        drawn.close()


def _drawing(unit: Unit) -> Progress:
    from rich import progress  # imported only to draw
    from rich.console import Console
    from rich.text import Text

    class Rate(progress.ProgressColumn):
        """Recent images per second."""

        def render(self, task: progress.Task) -> Text:
            return Text(f"{task.speed:,.1f} images/s" if task.speed else "", style="progress.data.speed")

    done: list[ProgressColumn] = (
        [progress.DownloadColumn()] if unit == "bytes" else [progress.MofNCompleteColumn(), Rate()]
    )
    columns = (progress.TextColumn("{task.description}"), progress.BarColumn(), *done, progress.TimeRemainingColumn())
    return progress.Progress(*columns, console=Console(stderr=True), transient=True)
