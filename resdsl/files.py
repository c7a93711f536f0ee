"""Atomic file writes.

A file is written under a temporary name in the folder of its target and renamed over it once all bytes are on disk.
Readers never see a partial file, and after a crash, a full disk or Ctrl-C the previous file is unchanged. Devices and
pipes (``/dev/stdout``, ``/dev/null``) are written to directly.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from resdsl.diagnostics import Code, CompileError, Diagnostic, catalogue

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


_SYNC_SECONDS = 0.02
"""Seconds between two ``fsync`` calls while a file is being written."""

_SEEKING = threading.Lock()


class OutputError(CompileError):
    """A result cannot be written; ``diagnostic`` has the reason and a fix."""


def write_file(path: Path, data: bytes) -> None:
    """Write a small file atomically. Raises ``OutputError``."""
    with whole_file(path) as stream:
        stream.write(data)


class OutputStream(io.BufferedWriter):
    """A file open for writing, whose failures are raised as ``OutputError``."""

    def __init__(self, descriptor: int, path: Path) -> None:
        super().__init__(io.FileIO(descriptor, "wb"), 1 << 16)
        self._path = path

    def write(self, data: Buffer, /) -> int:
        with explained(self._path):
            return super().write(data)

    def flush(self) -> None:
        with explained(self._path):
            super().flush()


class _Section(io.RawIOBase):
    """A raw stream that writes to a file from a given position."""

    def __init__(self, descriptor: int, start: int, path: Path) -> None:
        self._descriptor = descriptor
        self._position = start
        self._path = path

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer, /) -> int:
        with explained(self._path):
            written = _write_at(self._descriptor, data, self._position)
        self._position += written
        return written


class PendingFile:
    """A file being written: write to ``stream``, then call ``commit`` to rename it to its target."""

    def __init__(self, path: Path, target: Path) -> None:
        self.committed = False
        self._path = path
        self._target = target
        # The target's own name may be as long as the file system allows.
        self._temporary = target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}.tmp")
        self._stream: OutputStream | None = None

    def open(self) -> None:
        """Create the file. The caller must also call ``discard``, since an interrupt may follow immediately."""
        # Not tempfile: it creates files that only their owner can read.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._stream = OutputStream(os.open(self._temporary, flags, 0o666), self._path)
        with contextlib.suppress(FileNotFoundError, PermissionError):
            self._temporary.chmod(stat.S_IMODE(self._target.stat().st_mode))

    @property
    def stream(self) -> OutputStream:
        """The stream to write to."""
        assert self._stream is not None
        return self._stream

    def section(self, start: int) -> io.BufferedWriter:
        """A stream that writes from byte ``start`` on. Close it; several threads can each write to their own section.

        Gaps between sections are zero. Do not write to ``stream`` as well.
        """
        return io.BufferedWriter(_Section(self.stream.fileno(), start, self._path), 1 << 16)

    @contextmanager
    def syncing(self) -> Iterator[None]:
        """While the block runs, sync written bytes to disk in a thread, so that ``commit`` has little left to do."""
        ended = threading.Event()
        failures: list[OSError] = []

        def sync() -> None:
            try:
                while not ended.wait(_SYNC_SECONDS):
                    os.fsync(self.stream.fileno())
            except OSError as error:
                failures.append(error)
            except ValueError:
                return  # an interrupt closed the file before the thread ended

        thread = threading.Thread(target=sync, name="syncing")
        try:
            thread.start()
            yield
        finally:
            ended.set()
            if thread.is_alive():
                thread.join()
        # The system reports a write failure only once, to the next fsync, so it must be raised here.
        for error in failures:
            raise _explain(self._path, error) from error

    def commit(self, target: Path) -> None:
        """Sync the bytes to disk, then rename the file to ``target``, a path in the same folder."""
        self.stream.flush()
        with explained(self._path):
            os.fsync(self.stream.fileno())
            self.stream.close()
            self._temporary.replace(target)
        self.committed = True
        _sync_folder(target.parent)

    def discard(self) -> None:
        """Close and remove the file."""
        with contextlib.suppress(OSError, OutputError):
            if self._stream is not None:
                self._stream.close()  # flushes, which fails again on a full disk
        with contextlib.suppress(FileNotFoundError):
            self._temporary.unlink()


def is_stream(path: Path) -> bool:
    """Whether ``path`` is something to write into rather than a file to replace: a device, a pipe, ``/dev/stdout``."""
    # With shell redirection, /dev/stdout is a regular file, which must be written to and not replaced.
    if str(path).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def real_target(path: Path) -> Path:
    """The file that writing to ``path`` replaces: symbolic links are resolved."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@contextmanager
def whole_file(path: Path) -> Iterator[OutputStream]:
    """A stream whose bytes become the file ``path`` when the block ends without an exception.

    Raises ``OutputError`` if the file cannot be written. An existing file keeps its permissions; a new one gets those
    of the umask.
    """
    if is_stream(path):
        with explained(path):
            stream = OutputStream(os.open(path, os.O_WRONLY), path)
        with stream:
            yield stream
        return
    with pending_file(path) as pending:
        yield pending.stream
        pending.commit(real_target(path))


@contextmanager
def pending_file(path: Path) -> Iterator[PendingFile]:
    """A temporary file in the folder of ``path``, with the permissions of ``path``.

    It is removed if the block ends without ``commit``: by an exception, Ctrl-C or SIGTERM.
    """
    with _terminate_by_exception():
        with explained(path):
            target = real_target(path)
            check_target(path, target)
        pending = PendingFile(path, target)
        try:
            with explained(path):
                pending.open()
            yield pending
        finally:
            if not pending.committed:
                pending.discard()


def _write_at(descriptor: int, data: Buffer, position: int) -> int:
    """Write at a position of a file; return the number of bytes written."""
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, position)
    # Windows has no pwrite: the position is shared by all threads.
    with _SEEKING:
        os.lseek(descriptor, position, os.SEEK_SET)
        return os.write(descriptor, data)


def check_target(path: Path, target: Path) -> None:
    """Raise ``OutputError`` if ``target`` cannot be written. Messages name it ``path``."""
    if target.is_dir():
        raise _error(
            catalogue.NOT_A_FILE,
            f"`{path}` is a folder",
            f"name a file in it: `{path / 'NAME'}`",
        )
    folder = target.parent
    if not folder.exists():
        raise _error(
            catalogue.OUTPUT_FOLDER,
            f"the folder `{folder}` does not exist",
            f"create it with `mkdir -p {folder}`",
        )
    if not folder.is_dir():
        raise _error(
            catalogue.OUTPUT_FOLDER,
            f"`{folder}` is a file, and `{target.name}` cannot be in it",
            "name a file in a folder",
        )
    # A rename would replace a read-only file without asking.
    if target.exists() and not os.access(target, os.W_OK):
        raise _error(
            catalogue.OUTPUT_DENIED,
            f"`{path}` is read-only",
            f"name another file, or allow it with `chmod u+w {path}`",
        )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise ``OSError`` in writing ``path`` as ``OutputError``."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader closed the pipe: not an error
    except OSError as error:
        raise _explain(path, error) from error


def _explain(path: Path, error: OSError) -> OutputError:
    folder = path.parent
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        cause = "the disk is full" if error.errno == errno.ENOSPC else "the disk quota is used up"
        return _error(
            catalogue.DISK_FULL,
            f"`{path}` was not written: {cause}",
            f"free space in `{folder}`, or name a file on another disk",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return _error(
            catalogue.OUTPUT_DENIED,
            f"no permission to write in `{folder}`",
            "name a file in a folder that you can write to",
        )
    if error.errno == errno.ENAMETOOLONG:
        return _error(
            catalogue.UNWRITABLE, f"the name `{path.name[:40]}...` is too long for this disk", "choose a shorter name"
        )
    reason = (error.strerror or str(error)).lower()
    return _error(catalogue.UNWRITABLE, f"`{path}` was not written: {reason}", "name another file")


def _error(code: Code, message: str, suggestion: str) -> OutputError:
    return OutputError(Diagnostic(code, message, helps=(suggestion,)))


def _sync_folder(folder: Path) -> None:
    """Sync a rename to disk, where the system supports it (Windows cannot open folders)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _terminate_by_exception() -> Iterator[None]:
    """Raise ``SystemExit`` on SIGTERM, so that temporary files are removed.

    Only if SIGTERM has its default handler, and in the main thread, which alone can set handlers.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
