"""Files of lines that can be gone on with.

``x.jsonl`` is ``x.jsonl.3fa9c1d2.part`` until its last row is written. A run that was cut off at any moment goes on
from there: a line that was torn is cut off. The digits are a digest of what the rows depend on, so that no run goes on
with the rows of another model.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.files import check_target, explained
from resdsl.runtime.rows import Failure, Row
from resdsl.runtime.sources import Item
from resdsl.tools.predict.formats import Lines

_DIGEST = r"\.[0-9a-f]{8}\.part"


class Part:
    """A file of lines that is being written, perhaps by several runs, one after another.

    ``done`` rows were there already, of which ``failed`` tell of failures; ``skip`` leaves out their images.
    """

    def __init__(self, target: Path, lines: Lines, digest: str) -> None:
        self.path = target.with_name(f"{target.name}.{digest}.part")
        self.done = 0
        self.failed = 0
        self._target = target
        self._lines = lines
        self._stream: BinaryIO | None = None

    def open(self) -> None:
        """Take up what there is, less what is torn."""
        end = len(self._lines.header)
        for _, failed, end in _rows(self.path, self._lines):  # noqa: B007  the end of the last row
            self.done += 1
            self.failed += failed
        with explained(self._target):
            self._stream = self.path.open("r+b" if self.done else "wb")
            if self.done:
                self._stream.truncate(end)
                self._stream.seek(end)
            else:
                self._stream.write(self._lines.header)

    def skip(self, items: Iterator[Item]) -> Iterator[Item]:
        """The items that come after the rows which are there. Raises ``RunError`` where those are of other images."""
        for number, (name, _, _) in zip(range(self.done), _rows(self.path, self._lines), strict=False):
            item = next(items, None)
            if item is None or item.name != name:
                found = f"is now `{item.name}`" if item else "is missing now"
                raise RunError.of(
                    catalogue.NOT_RESUMABLE,
                    f"image {number + 1} was `{name}` when `{self._target}` was begun, and {found}",
                    helps=("name the same images in the same order", f"or start again: `rm {self.path}`"),
                )
        yield from items

    def write(self, row: Row) -> None:
        assert self._stream is not None
        with explained(self._target):
            self._stream.write(self._lines.line(row))
            self._stream.flush()  # what the system has outlives the process
        self.done += 1
        self.failed += isinstance(row, Failure)

    def complete(self) -> None:
        """Give the file its name."""
        assert self._stream is not None
        with explained(self._target):
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()
            self.path.replace(self._target)

    def leave(self) -> None:
        """Keep what is there for another run; an empty file is none."""
        if self._stream is not None:
            with contextlib.suppress(OSError):
                self._stream.close()
            if not self.done:
                self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows a file of lines has, and how many of them tell of failures."""

    rows: int
    failed: int


def complete_already(target: Path, lines: Lines) -> Count | None:
    """What is in ``target``, if a run completed it and none was cut off since."""
    if _rests(target) or not target.exists():
        return None
    failures = [failed for _, failed, _ in _rows(target, lines)]
    return Count(len(failures), sum(failures))


@contextlib.contextmanager
def part_of(target: Path, lines: Lines, digest: str, *, resume: bool) -> Iterator[Part]:
    """A file of lines that becomes ``target`` when the block ends without an exception.

    With ``resume`` it goes on with what a run that was cut off has left. Raises ``OutputError`` where it cannot be
    written, and ``RunError`` where such rests are there and ``resume`` is not wanted, or where they are of another
    model or of other options.
    """
    check_target(target, target)
    part = Part(target, lines, digest)
    rests = _rests(target)
    if rests and not resume:
        raise RunError.of(
            catalogue.NOT_RESUMABLE,
            f"a run that wrote `{target}` was cut off, and what it had done is in `{rests[0]}`",
            helps=(Text("add ", Option("resume", True), " to resume it"), f"or start again: `rm {rests[0]}`"),
        )
    if rests and part.path not in rests:
        raise RunError.of(
            catalogue.NOT_RESUMABLE,
            f"`{rests[0]}` is of another model or of other options, and its rows would not go with new ones",
            helps=("take the model and the options of the first run", f"or start again: `rm {rests[0]}`"),
        )
    try:
        part.open()
        yield part
        part.complete()
    finally:
        part.leave()


def digest_of(model: Path, *options: object) -> str:
    """Eight digits that tell apart what rows depend on: the model's file, and options."""
    digest = sha256(repr(options).encode())
    with model.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()[:8]


def _rests(target: Path) -> list[Path]:
    """What runs that were cut off have left of ``target``; one that had written nothing left nothing."""
    try:
        beside = sorted(target.parent.iterdir())
    except OSError:
        return []
    named = [path for path in beside if re.fullmatch(re.escape(target.name) + _DIGEST, path.name)]
    return [path for path in named if path.stat().st_size]


def _rows(path: Path, lines: Lines) -> Iterator[tuple[str, bool, int]]:
    """Name, failure and end of every row of a file that is whole, up to the first that is not."""
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
            if lines.is_whole(row):
                try:
                    name, failed = lines.read(row)
                except ValueError:
                    return
                yield name, failed, stream.tell()
                row = b""
