"""Write tensors at their positions: in order to a stream, or in parallel to a file.

Every position is known in advance, so threads compute and write different tensors at once: none waits for another, and
only the piece of a tensor that is being written is in memory.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from zlib import crc32

from resdsl.files import PendingFile
from resdsl.onnx.tensors import Field, Tensor, Values, Write, raw_pieces

Checksums = MutableMapping[str, int]
"""CRC-32 of the bytes of tensors, by name."""

RUN = 1 << 20
"""Small tensors are written together in runs of at least so many bytes; a single run needs no threads."""

_MOST_THREADS = 8
_WORTH_SYNCING = 16 << 20


@dataclass(frozen=True, slots=True)
class _Run:
    """Fields that follow each other, from byte ``start`` on, with their tensors."""

    start: int
    tensors: Sequence[tuple[Field, Tensor]]


def write_in_order(fields: Iterable[Field], values: Values, write: Write) -> None:
    """Hand fields to ``write``. No array is held while the next is made."""
    for field, tensor in _paired(fields, values):
        _write_field(field, tensor, write)
        del tensor


def _write_field(field: Field, tensor: Tensor, write: Write) -> None:
    write(field.before)
    for piece in raw_pieces(field.parameter, tensor):
        write(piece)


def write_in_place(
    file: PendingFile, start: int, fields: Sequence[Field], values: Values, checksums: Checksums | None = None
) -> None:
    """Write fields to ``file`` from byte ``start`` on. ``values`` are asked for by one thread at a time.

    The checksums of the tensors are added to ``checksums``, if given.
    """
    length = sum(field.length for field in fields)
    writing = _Writing(file, _runs(fields, values, start), checksums)
    with file.syncing() if length >= _WORTH_SYNCING else nullcontext():
        writing.finish(threads=min(_MOST_THREADS, os.cpu_count() or 1, 1 + length // RUN))


class _Writing:
    """Threads that take one run after another and write it. The first exception ends them all."""

    def __init__(self, file: PendingFile, runs: Iterator[_Run], checksums: Checksums | None) -> None:
        self._file = file
        self._runs = runs
        self._checksums = checksums
        self._lock = threading.Lock()
        self._failures: list[BaseException] = []

    def finish(self, threads: int) -> None:
        """Write everything. Raises the first exception of any thread, also an interrupt."""
        others = [threading.Thread(target=self._work, name="weights") for _ in range(threads - 1)]
        try:
            for thread in others:
                thread.start()
            self._work()
            for thread in others:
                thread.join()
        except BaseException as interrupt:
            self._failures.append(interrupt)
        for thread in filter(threading.Thread.is_alive, others):
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _work(self) -> None:
        try:
            while not self._failures:
                with self._lock:
                    run = next(self._runs, None)
                if run is None:
                    return
                self._write(run)
        except BaseException as failure:
            self._failures.append(failure)

    def _write(self, run: _Run) -> None:
        with self._file.section(run.start) as section:
            for field, tensor in run.tensors:
                section.write(field.before)
                checksum = 0
                for piece in raw_pieces(field.parameter, tensor):
                    if self._failures:
                        return
                    section.write(piece)
                    if self._checksums is not None:
                        checksum = crc32(piece, checksum)
                if self._checksums is not None:
                    self._checksums[field.parameter.name] = checksum


def _runs(fields: Iterable[Field], values: Values, start: int) -> Iterator[_Run]:
    tensors: list[tuple[Field, Tensor]] = []
    length = 0
    for field, tensor in _paired(fields, values):
        tensors.append((field, tensor))
        length += field.length
        if length >= RUN:
            yield _Run(start, tensors)
            start += length
            tensors, length = [], 0
    if tensors:
        yield _Run(start, tensors)


def _paired(fields: Iterable[Field], values: Values) -> Iterator[tuple[Field, Tensor]]:
    """Each field with its tensor, keeping no reference to it."""
    source = iter(values)
    for field in fields:
        given, tensor = next(source, (None, None))
        name = field.parameter.name
        if given is None or tensor is None or given.name != name:
            raise AssertionError(f"the tensor of {name} is due, and {given.name if given else 'none'} comes")
        yield field, tensor
        del tensor
    if next(source, None) is not None:
        raise AssertionError("there are more tensors than parameters")
