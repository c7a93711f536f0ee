"""Resumable line-oriented output.

``x.jsonl`` is ``x.jsonl.3fa9c1d2.part`` until its last row is written. A run that was interrupted at any point can be
resumed: an incomplete last line is removed. The hexadecimal digits are a digest of the model and the options, so a run
never continues the rows of another model.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.files import check_target, explained
from resdsl.runtime.formats import Lines
from resdsl.runtime.item import Item
from resdsl.runtime.results import Failure, Result

_DIGEST = r"\.[0-9a-f]{8}\.part"


class ResumableFile:
    """A partial file of rows, written by one or more runs.

    It has ``done`` rows, ``failed`` of them failures. ``skip`` filters out the images that have rows already.
    """

    def __init__(self, target: Path, lines: Lines, digest: str) -> None:
        self.path = target.with_name(f"{target.name}.{digest}.part")
        self.done = 0
        self.failed = 0
        self._target = target
        self._lines = lines
        self._stream: BinaryIO | None = None

    def open(self) -> None:
        """Open the partial file, removing an incomplete row at its end.

        Raises ``RunError`` if another run is writing it.
        """
        with explained(self._target):
            self._stream = self.path.open("r+b" if self.path.exists() else "w+b")
        if not _lock(self._stream):
            self._stream.close()
            self._stream = None
            raise _in_use(self._target)
        end = len(self._lines.header)
        for _, failed, end in _rows(self.path, self._lines):  # noqa: B007  the end of the last row
            self.done += 1
            self.failed += failed
        with explained(self._target):
            if not self.done:
                self._stream.seek(0)
                self._stream.write(self._lines.header)
            self._stream.truncate(end)
            self._stream.seek(end)

    def skip(self, items: Iterator[Item]) -> Iterator[Item]:
        """The items after the existing rows. Raises ``RunError`` if those are for other images."""
        for number, (name, _, _) in zip(range(self.done), _rows(self.path, self._lines), strict=False):
            item = next(items, None)
            if item is None or item.name != name:
                now = f"is now `{item.name}`" if item else "is now missing"
                raise RunError.of(
                    catalogue.NOT_RESUMABLE,
                    f"image {number + 1} was `{name}` in the run that started `{self._target}`, and {now}",
                    helps=("pass the same images in the same order", f"or start again: `rm {self.path}`"),
                )
        yield from items

    def write(self, row: Result) -> None:
        assert self._stream is not None
        with explained(self._target):
            self._stream.write(self._lines.line(row))
            self._stream.flush()  # so that the rows survive a killed process
        self.done += 1
        self.failed += isinstance(row, Failure)

    def complete(self) -> None:
        """Rename the file to its final name."""
        assert self._stream is not None
        with explained(self._target):
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            self.path.replace(self._target)

    def close(self) -> None:
        """Keep the rows for a later run; a file without rows is removed."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
            if not self.done:
                self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class RowCount:
    """The number of rows in a file, and of failures among them."""

    rows: int
    failed: int


def completed_rows(target: Path, lines: Lines) -> RowCount | None:
    """The rows of ``target`` if it is complete: it exists, and no later run was interrupted.

    Raises ``RunError`` for a file that is not one of results.
    """
    if _partial_files(target) or not target.exists():
        return None
    rows = failures = 0
    end = len(lines.header)
    for _, failed, end in _rows(target, lines):  # noqa: B007  the end of the last row
        rows += 1
        failures += failed
    if end != target.stat().st_size:
        raise RunError.of(
            catalogue.NOT_RESUMABLE,
            f"`{target}` cannot be resumed: what follows row {rows} is not a result of this format and these options",
            helps=(
                Text("leave out ", Option("resume"), " to replace the file"),
                "use the options of the run that wrote it",
            ),
        )
    return RowCount(rows, failures)


@contextlib.contextmanager
def resumable_file(target: Path, lines: Lines, digest: str, *, resume: bool) -> Iterator[ResumableFile]:
    """A file of rows that becomes ``target`` if the block ends without an exception.

    ``resume`` continues the partial file of an interrupted run. Raises ``OutputError`` if the file cannot be written,
    and ``RunError`` if there is a partial file without ``resume``, or one of another model or of other options.
    """
    check_target(target, target)
    part = ResumableFile(target, lines, digest)
    partial = _partial_files(target)
    if any(_is_locked(path) for path in partial):
        raise _in_use(target)
    if partial and not resume:
        raise RunError.of(
            catalogue.NOT_RESUMABLE,
            f"an earlier run that wrote `{target}` was interrupted; its results are in `{partial[0]}`",
            helps=(Text("add ", Option("resume", True), " to continue it"), f"or start again: `rm {partial[0]}`"),
        )
    if partial and part.path not in partial:
        raise RunError.of(
            catalogue.NOT_RESUMABLE,
            f"`{partial[0]}` was written with another model or other options, so it cannot be continued",
            helps=("use the model and options of the first run", f"or start again: `rm {partial[0]}`"),
        )
    try:
        part.open()
        yield part
        part.complete()
    finally:
        part.close()


def _lock(stream: BinaryIO) -> bool:
    """Mark an open file as being written, until it is closed; ``False`` if another process has done so."""
    if sys.platform == "win32":
        return True  # there, an open file cannot be deleted or replaced either
    import fcntl

    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True


def _is_locked(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return not _lock(stream)
    except OSError:
        return False


def _in_use(target: Path) -> RunError:
    return RunError.of(
        catalogue.NOT_RESUMABLE,
        f"another run is writing `{target}`",
        helps=("wait until it has finished, or write to another file",),
    )


def digest_of(model: Path, *options: object) -> str:
    """Eight hexadecimal digits that identify what rows depend on: the model file and the options."""
    digest = sha256(repr(options).encode())
    with model.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:8]


def _partial_files(target: Path) -> list[Path]:
    """The partial files of ``target`` that interrupted runs left, except empty ones."""
    try:
        siblings = sorted(target.parent.iterdir())
    except OSError:
        return []
    named = [path for path in siblings if re.fullmatch(re.escape(target.name) + _DIGEST, path.name)]
    return [path for path in named if path.stat().st_size]


def _rows(path: Path, lines: Lines) -> Iterator[tuple[str, bool, int]]:
    """Name, failure and end offset of each complete row of a file, up to the first incomplete one."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        if stream.read(len(lines.header)) != lines.header:
            return
        row = b""
        for line in stream:
            row += line
            if not line.endswith(b"\n"):
                return
            if lines.is_complete(row):
                try:
                    name, failed = lines.read(row)
                except ValueError:
                    return
                yield name, failed, stream.tell()
                row = b""
