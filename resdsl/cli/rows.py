"""Rows on their way to the terminal or a pipe, and what is told of those that failed."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from resdsl.cli.exits import status_of
from resdsl.cli.progress import bar
from resdsl.cli.terminal import MOST, Terminal
from resdsl.diagnostics import Diagnostic, Diagnostics
from resdsl.diagnostics.machine import report_data
from resdsl.runtime.formats import Lines
from resdsl.runtime.rows import Failure, Features, Row
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
        self.status = max(self.status, status_of([diagnostic]))
        if len(self._told) < MOST:
            self._told.report(diagnostic)

    def show(self, terminal: Terminal) -> None:
        terminal.show(self._told)
        if self.count > len(self._told):
            more = f"and {self.count - len(self._told):,} more images failed"
            print(f"{more}; their rows say why (`--format jsonl`, `csv`, `parquet`)", file=sys.stderr)

    def data(self) -> dict[str, object]:
        return {"failed": self.count, **report_data(self._told)}


class PrintedRows:
    """Rows as lines on standard output, each as soon as it is there."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._stream = sys.stdout.buffer
        self._stream.write(lines.header)
        self._separator = b""

    def write(self, row: Row) -> None:
        line = self._lines.line(row)
        if line:
            self._stream.write(self._separator + line)
            self._stream.flush()
            self._separator = self._lines.separator


class JsonRows:
    """One JSON object on standard output, of which no more is in memory than a row."""

    def __init__(self, **facts: object) -> None:
        print(
            "{",
            ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in facts.items()),
            sep="\n",
            end="",
        )
        print(',\n  "predictions": [', end="")
        self._separator = "\n    "

    def write(self, row: Row) -> None:
        if isinstance(row, Failure):
            return  # it is among the diagnostics
        if isinstance(row, Features):
            data = {"image": row.image, "output": row.output, "features": row.values.tolist()}
        else:
            data = dataclasses.asdict(row)
        print(self._separator, json.dumps(data, ensure_ascii=False), sep="", end="")
        self._separator = ",\n    "

    def close(self, **facts: object) -> None:
        rest = json.dumps(facts, indent=2, ensure_ascii=False).removeprefix("{")
        print(f"\n  ],{rest}")


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
