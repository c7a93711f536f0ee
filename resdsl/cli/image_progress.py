"""Progress over images, and the report of those that failed, for every command that reads many."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from resdsl.cli.flags import as_flags
from resdsl.cli.progress import bar
from resdsl.cli.terminal import MOST, Terminal
from resdsl.diagnostics import Diagnostic, Diagnostics
from resdsl.diagnostics.json import report_data
from resdsl.runtime.rows import Failure, Row
from resdsl.runtime.sources import count_of


class Failures:
    """What went wrong: all of it counts for the exit code, and so much is told as anybody reads."""

    def __init__(self) -> None:
        self.status = 0
        self.count = 0
        self._told = Diagnostics()

    def see(self, row: Row) -> None:
        if isinstance(row, Failure):
            self.count += 1
            self.add(row.diagnostic)

    def add(self, diagnostic: Diagnostic) -> None:
        self.status = max(self.status, diagnostic.code.exit_status)
        if len(self._told) < MOST:
            self._told.report(diagnostic)

    def show(self, terminal: Terminal) -> None:
        terminal.show(self._told)
        if self.count > len(self._told):
            more = f"and {self.count - len(self._told):,} more images failed"
            print(f"{more}; their rows say why (`--format jsonl`, `csv`, `parquet`)", file=sys.stderr)

    def data(self) -> dict[str, object]:
        return {"failed": self.count, **report_data(self._told, as_flags)}


Progress = Callable[[int], None]


@contextmanager
def progress_of(terminal: Terminal, images: Sequence[str], *, alone: bool) -> Iterator[Progress]:
    """A bar of how many images are done, of how many, and how fast.

    It is drawn on standard error where that is a terminal and where rows do not come between, unless they go elsewhere:
    ``alone``.
    """
    wanted = not terminal.quiet and not terminal.as_json and (alone or not sys.stdout.isatty())
    with bar("images", wanted=wanted, unit="images") as drawn:
        total = count_of(images) if drawn else None
        yield (lambda done: drawn(done, total)) if drawn else (lambda _: None)
