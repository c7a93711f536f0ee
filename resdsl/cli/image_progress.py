"""Progress over images, and the report of failed images, for commands that read many images."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from resdsl.cli.flags import as_flags
from resdsl.cli.progress import bar
from resdsl.cli.terminal import MOST, Terminal
from resdsl.diagnostics import Diagnostic, Diagnostics
from resdsl.diagnostics.json import report_data
from resdsl.runtime.results import Failure, Result
from resdsl.runtime.sources import count_of


class Failures:
    """Counts failed images for the exit status, and keeps the first diagnostics to show."""

    def __init__(self) -> None:
        self.status = 0
        self.count = 0
        self._shown = Diagnostics()

    def add_result(self, result: Result) -> None:
        if isinstance(result, Failure):
            self.count += 1
            self.add(result.diagnostic)

    def add(self, diagnostic: Diagnostic) -> None:
        self.status = max(self.status, diagnostic.code.exit_status)
        if len(self._shown) < MOST:
            self._shown.report(diagnostic)

    def show(self, terminal: Terminal) -> None:
        terminal.show(self._shown)
        if self.count > len(self._shown):
            more = f"and {self.count - len(self._shown):,} more images failed"
            print(f"{more}; `--format jsonl`, `csv` and `parquet` record every error", file=sys.stderr)

    def data(self) -> dict[str, object]:
        return {"failed": self.count, **report_data(self._shown, as_flags)}


Progress = Callable[[int], None]


@contextmanager
def progress_of(terminal: Terminal, images: Sequence[str], *, alone: bool) -> Iterator[Progress]:
    """A progress bar: images done, total, and images per second.

    It is drawn if standard error is a terminal, and standard output is not one. ``alone``: nothing is printed to
    standard output, so that does not matter.
    """
    wanted = not terminal.quiet and not terminal.as_json and (alone or not sys.stdout.isatty())
    with bar("images", wanted=wanted, unit="images") as drawn:
        total = count_of(images) if drawn else None
        yield (lambda done: drawn(done, total)) if drawn else (lambda _: None)
