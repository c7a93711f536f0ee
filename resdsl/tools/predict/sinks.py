"""Write results to a file in the requested format; it gets its name once it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from resdsl.diagnostics import Option, Placeholder, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest
from resdsl.files import is_stream, real_target, whole_file
from resdsl.runtime.formats import (
    FORMATS,
    LINES,
    CsvLines,
    JsonLines,
    Lines,
    LinesTable,
    NpyTable,
    ParquetTable,
    Table,
    TextLines,
)
from resdsl.runtime.item import Item
from resdsl.runtime.results import Failure, FeatureType, Result
from resdsl.runtime.stores import names_a_store
from resdsl.tools.predict.resumable import completed_rows, resumable_file

_ENDINGS = {"txt": "text", "ndjson": "jsonl", "json": "jsonl", "pq": "parquet"}


class Sink(Protocol):
    """Receives results: ``done`` so far, ``failed`` of them failures. ``skip`` filters out images that have one."""

    done: int
    failed: int

    def write(self, row: Result) -> None: ...

    def skip(self, items: Iterator[Item]) -> Iterator[Item]: ...


class NewFile:
    """A file that one run writes from start to end."""

    def __init__(self, table: Table) -> None:
        self.done = 0
        self.failed = 0
        self._table = table

    def write(self, row: Result) -> None:
        self._table.write(row)
        self.done += 1
        self.failed += isinstance(row, Failure)

    def skip(self, items: Iterator[Item]) -> Iterator[Item]:
        return items


class CompleteFile:
    """A file that an earlier run has completed: nothing is left to write."""

    def __init__(self, done: int, failed: int) -> None:
        self.done = done
        self.failed = failed

    def write(self, row: Result) -> None:
        raise AssertionError("a complete file takes no rows")

    def skip(self, items: Iterator[Item]) -> Iterator[Item]:
        return iter(())


@contextmanager
def sink(
    target: Path,
    kind: str,
    *,
    top: int,
    features: FeatureType | None,
    digest: str,
    resume: bool,
) -> Iterator[Sink]:
    """The file ``target`` in the format ``kind``, one of ``FORMATS``; it appears if the block ends without an error.

    ``digest`` identifies the model and options. ``resume`` continues the partial file
    of an interrupted run and keeps a complete file. Raises ``RunError`` if the format cannot be resumed, and as
    ``resumable_file``; ``OutputError`` if the file cannot be written.
    """
    path = real_target(target)
    if kind in LINES and not is_stream(path):
        lines = lines_of(kind, top)
        complete = completed_rows(path, lines) if resume else None
        if complete:
            yield CompleteFile(complete.rows, complete.failed)
            return
        with resumable_file(path, lines, digest, resume=resume) as part:
            yield part
        return
    if resume:
        raise _not_resumable(kind)
    with whole_file(target) as stream:
        table = _table(kind, stream, top, features)
        yield NewFile(table)
        table.close()


def lines_of(kind: str, top: int) -> Lines:
    """The line-oriented format ``kind``: ``text``, ``jsonl`` or ``csv``."""
    if kind == "jsonl":
        return JsonLines()
    return CsvLines(top) if kind == "csv" else TextLines()


def format_of(path: Path | None, requested: str | None, output: str | None) -> str:
    """The requested format, or the one of the file's suffix; text without a file.

    ``output`` is the name of the features, if any. Raises ``RunError`` for a format that does not fit.
    """
    if path is not None and names_a_store(path):
        raise RunError.of(
            catalogue.OUTPUT_FOLDER,
            "results are written to an object store by a cluster only",
            helps=("run on one, which may be this machine alone: `--engine ray`", "or write a file here, and copy it"),
        )
    ending = path.suffix.lower().removeprefix(".") if path else "txt"
    kind = requested or _ENDINGS.get(ending, ending)
    if kind not in FORMATS:
        near = closest(ending, FORMATS[1:])
        raise RunError.of(
            catalogue.ROW_FORMAT,
            f"the suffix of `{path}` is not a known format",
            helps=(
                *((f"did you mean `{path.with_suffix('.' + near)}`?",) if near and path else ()),
                Text(f"use {', '.join(f'`.{name}`' for name in FORMATS[1:])}, or ", Option("format")),
            ),
        )
    if path is None and kind not in ("text", *LINES):
        raise RunError.of(
            catalogue.ROW_FORMAT,
            f"`{kind}` needs an output file",
            helps=(Text("use ", Option("target", f"rows.{kind}")),),
        )
    if kind == "npy" and output is None:
        raise RunError.of(
            catalogue.ROW_FORMAT,
            "`.npy` files hold features, not classes",
            helps=(
                Text("name the output of the model to write: ", Option("output", Placeholder("NAME"))),
                Text(Option("format", "jsonl"), " writes classes"),
            ),
        )
    if kind == "csv" and output is not None:
        raise RunError.of(
            catalogue.ROW_FORMAT,
            f"CSV cannot hold the features `{output}`: a cell is one number",
            helps=(Text("use ", Option("format", "npy"), ", `parquet` or `jsonl` for features"),),
        )
    return kind


def _table(kind: str, stream: BinaryIO, top: int, features: FeatureType | None) -> Table:
    if kind == "parquet":
        return ParquetTable(stream, features)
    if kind == "npy":
        return NpyTable(stream)
    return LinesTable(stream, lines_of(kind, top))


def _not_resumable(kind: str) -> RunError:
    reasons = {
        "parquet": "a partial Parquet file cannot be read: its schema and index are at its end",
        "npy": "an array does not record which images its rows belong to",
        "text": "the text format cannot be parsed",
    }
    return RunError.of(
        catalogue.NOT_RESUMABLE,
        reasons.get(kind, "output to a stream cannot be read back"),
        helps=(Text(Option("resume", True), " works with ", Option("format", "jsonl"), " and `csv`"),),
    )
