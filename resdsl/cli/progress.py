"""A bar for long work: on stderr, only where that is a terminal, and only once the work turns out to be long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

PATIENCE = 0.5
"""Seconds before anything is drawn. Work that is done by then needs no bar, and rich is not even loaded."""


class Bar:
    """Draws how much is done of how many bytes."""

    def __init__(self, task: str) -> None:
        self._task = task
        self._start = time.monotonic()
        self._drawn: Progress | None = None

    def __call__(self, done: int, total: int) -> None:
        if self._drawn is None:
            if time.monotonic() - self._start < PATIENCE:
                return
            self._drawn = _drawing()
            self._drawn.add_task(self._task, total=total)
            self._drawn.start()
        self._drawn.update(self._drawn.task_ids[0], completed=done, total=total)

    def close(self) -> None:
        if self._drawn is not None:
            self._drawn.stop()


@contextmanager
def bar(task: str, *, wanted: bool) -> Iterator[Bar | None]:
    """A bar while the block runs; ``None`` where nobody would see it or it is not wanted."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    drawn = Bar(task)
    try:
        yield drawn
    finally:
        drawn.close()


def _drawing() -> Progress:
    from rich.console import Console  # noqa: PLC0415  rich is for drawing only
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
