"""Where rows go: the format that was asked for, in a file that has its name once all rows are in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from resdsl.diagnostics import Option, Placeholder, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest
from resdsl.files import is_stream, real_target, whole_file
from resdsl.runtime.rows import Failure, Row
from resdsl.runtime.sources import Item
from resdsl.tools.predict.formats import (
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
from resdsl.tools.predict.resumable import complete_already, part_of

_ENDINGS = {"txt": "text", "ndjson": "jsonl", "json": "jsonl", "pq": "parquet"}


class Sink(Protocol):
    """Takes rows. ``done`` are there, ``failed`` of them tell of failures; ``skip`` leaves out images that have one."""

    done: int
    failed: int

    def write(self, row: Row) -> None: ...

    def skip(self, items: Iterator[Item]) -> Iterator[Item]: ...


class Whole:
    """A file that is written from its beginning to its end."""

    def __init__(self, table: Table) -> None:
        self.done = 0
        self.failed = 0
        self._table = table

    def write(self, row: Row) -> None:
        self._table.write(row)
        self.done += 1
        self.failed += isinstance(row, Failure)

    def skip(self, items: Iterator[Item]) -> Iterator[Item]:
        return items


class Complete:
    """A file that a run has completed: nothing is left to do."""

    def __init__(self, done: int, failed: int) -> None:
        self.done = done
        self.failed = failed

    def write(self, row: Row) -> None:
        raise AssertionError("there is nothing to write")

    def skip(self, items: Iterator[Item]) -> Iterator[Item]:
        return iter(())


@contextmanager
def sink(
    target: Path,
    kind: str,
    *,
    top: int,
    output: str | None,
    shape: Sequence[int | str | None],
    digest: str,
    resume: bool,
) -> Iterator[Sink]:
    """The file ``target`` in the format ``kind``, one of ``FORMATS``; it appears when the block ends well.

    ``shape`` is that of ``output``, ``digest`` tells apart what the rows depend on. With ``resume`` a file of lines
    goes on with what a run that was cut off has left, and one that is complete stays as it is. Raises ``RunError``
    where the format cannot be gone on with, and as ``part_of``; ``OutputError`` where it cannot be written.
    """
    path = real_target(target)
    if kind in LINES and not is_stream(path):
        lines = lines_of(kind, top)
        found = complete_already(path, lines) if resume else None
        if found:
            yield Complete(found.rows, found.failed)
            return
        with part_of(path, lines, digest, resume=resume) as part:
            yield part
        return
    if resume:
        raise _not_resumable(kind)
    with whole_file(target) as stream:
        table = _table(kind, stream, top, output, shape)
        yield Whole(table)
        table.close()


def lines_of(kind: str, top: int) -> Lines:
    """The format of lines called ``kind``: ``text``, ``jsonl`` or ``csv``."""
    if kind == "jsonl":
        return JsonLines()
    return CsvLines(top) if kind == "csv" else TextLines()


def format_of(path: Path | None, asked: str | None, output: str | None) -> str:
    """The format of rows: the one asked for, or that of the file's ending, or text where there is no file.

    ``output`` names the features that they are, if so. Raises ``RunError`` where none fits.
    """
    ending = path.suffix.lower().removeprefix(".") if path else "txt"
    kind = asked or _ENDINGS.get(ending, ending)
    if kind not in FORMATS:
        near = closest(ending, FORMATS[1:])
        raise RunError.of(
            catalogue.ROW_FORMAT,
            f"the name `{path}` does not say in which format its rows are to be",
            helps=(
                *((f"did you mean `{path.with_suffix('.' + near)}`?",) if near and path else ()),
                Text(f"end it with {', '.join(f'`.{name}`' for name in FORMATS[1:])}, or pass ", Option("format")),
            ),
        )
    if path is None and kind not in ("text", *LINES):
        raise RunError.of(
            catalogue.ROW_FORMAT,
            f"`{kind}` is written to a file, and none is named",
            helps=(Text("name one: ", Option("target", f"rows.{kind}")),),
        )
    if kind == "npy" and output is None:
        raise RunError.of(
            catalogue.ROW_FORMAT,
            "an `.npy` file holds features, and classes are asked for",
            helps=(
                Text("name the output of the model: ", Option("output", Placeholder("NAME"))),
                Text(Option("format", "jsonl"), " takes classes"),
            ),
        )
    if kind == "csv" and output is not None:
        raise RunError.of(
            catalogue.ROW_FORMAT,
            f"the features `{output}` are many numbers, and a cell of CSV holds one",
            helps=(Text(Option("format", "npy"), ", `parquet` and `jsonl` take features"),),
        )
    return kind


def _table(kind: str, stream: BinaryIO, top: int, output: str | None, shape: Sequence[int | str | None]) -> Table:
    if kind == "parquet":
        return ParquetTable(stream, output, [size if isinstance(size, int) else None for size in shape[1:]])
    if kind == "npy":
        return NpyTable(stream)
    return LinesTable(stream, lines_of(kind, top))


def _not_resumable(kind: str) -> RunError:
    why = {
        "parquet": "a Parquet file says at its end what is in it, so that a part of one cannot be read",
        "npy": "an array does not say which images its rows are of, so that nothing shows where to go on",
        "text": "text for people is not read again",
    }
    return RunError.of(
        catalogue.NOT_RESUMABLE,
        why.get(kind, "what was written into a stream is gone"),
        helps=(Text(Option("resume", True), " is for line-oriented files: ", Option("format", "jsonl"), " or `csv`"),),
    )
