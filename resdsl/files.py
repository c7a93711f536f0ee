"""Files that appear whole or not at all.

A file is written under a temporary name in the folder of its target and renamed over it once everything is on the
disk, so that a reader, a crash, a full disk or Ctrl-C never meets half a file, and what stood there before stays until
then. What is not a file (``/dev/stdout``, ``/dev/null``, a pipe) is written to directly.
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
"""How long a disk rests before it is sent what was written meanwhile."""

_SEEKING = threading.Lock()


class OutputError(CompileError):
    """A result cannot be written; ``diagnostic`` says why and what to do."""


def write_file(path: Path, data: bytes) -> None:
    """Write a small file, whole or not at all. Raises ``OutputError``."""
    with whole_file(path) as stream:
        stream.write(data)


class OutputStream(io.BufferedWriter):
    """A file open for writing, whose own failures, and no others, are raised as ``OutputError``."""

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
    """A file's bytes from one place on, for writing."""

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
    """A file being written. ``stream`` takes its bytes; ``commit`` gives it its name, at once and whole."""

    def __init__(self, path: Path, target: Path) -> None:
        self.committed = False
        self._path = path
        self._target = target
        # The target's own name may be as long as the file system allows.
        self._temporary = target.with_name(f".{target.name[:100]}.{os.urandom(6).hex()}.tmp")
        self._stream: OutputStream | None = None

    def open(self) -> None:
        """Make the file. Whoever calls this calls ``discard`` too, as an interrupt may come right after it."""
        # Not tempfile: that makes files which only their owner may read.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._stream = OutputStream(os.open(self._temporary, flags, 0o666), self._path)
        with contextlib.suppress(FileNotFoundError, PermissionError):
            self._temporary.chmod(stat.S_IMODE(self._target.stat().st_mode))

    @property
    def stream(self) -> OutputStream:
        """Takes the file's bytes."""
        assert self._stream is not None
        return self._stream

    def section(self, start: int) -> io.BufferedWriter:
        """A stream that writes from byte ``start`` on. Close it; several threads may each write to one of their own.

        What was not written between two sections is zero. Whoever uses sections leaves ``stream`` alone.
        """
        return io.BufferedWriter(_Section(self.stream.fileno(), start, self._path), 1 << 16)

    @contextmanager
    def syncing(self) -> Iterator[None]:
        """While the block runs, send to the disk what is written already, so that ``commit`` has little left to do."""
        ended = threading.Event()
        failures: list[OSError] = []

        def send() -> None:
            try:
                while not ended.wait(_SYNC_SECONDS):
                    os.fsync(self.stream.fileno())
            except OSError as error:
                failures.append(error)
            except ValueError:
                return  # an interrupt came before the block below, and the file is closed

        thread = threading.Thread(target=send, name="syncing")
        try:
            thread.start()
            yield
        finally:
            ended.set()
            if thread.is_alive():
                thread.join()
        # The system tells a failure to write once: here, or to whoever asks next.
        for error in failures:
            raise _explain(self._path, error) from error

    def commit(self, target: Path) -> None:
        """Make the bytes durable, then rename to ``target``, a name in the folder that was asked for."""
        self.stream.flush()
        with explained(self._path):
            os.fsync(self.stream.fileno())
            self.stream.close()
            self._temporary.replace(target)
        self.committed = True
        _sync_folder(target.parent)

    def discard(self) -> None:
        """Leave no trace."""
        with contextlib.suppress(OSError, OutputError):
            if self._stream is not None:
                self._stream.close()  # flushes, which fails again on a full disk
        with contextlib.suppress(FileNotFoundError):
            self._temporary.unlink()


def is_stream(path: Path) -> bool:
    """Whether ``path`` is something to write into rather than a file to replace: a device, a pipe, ``/dev/stdout``."""
    # /dev/stdout leads to a regular file where the shell redirects it; that file is the shell's, not ours to replace.
    if str(path).startswith(("/dev/std", "/dev/fd/", "/proc/")):
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def real_target(path: Path) -> Path:
    """The file that writing to ``path`` replaces: where it is a symbolic link, what that leads to."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@contextmanager
def whole_file(path: Path) -> Iterator[OutputStream]:
    """A stream whose bytes become the file ``path`` when the block ends without an exception.

    Raises ``OutputError`` where the file cannot be written. An existing file keeps its permissions; a new one gets
    what the umask allows.
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
    """A file to be written in the folder of ``path`` and with the permissions of ``path``.

    It vanishes where the block ends without ``commit``: by an exception, Ctrl-C or SIGTERM.
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
    """Write at a place of a file; gives how many bytes were written."""
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, position)
    # Windows has one position for all.
    with _SEEKING:
        os.lseek(descriptor, position, os.SEEK_SET)
        return os.write(descriptor, data)


def check_target(path: Path, target: Path) -> None:
    """Raise ``OutputError`` where no file can be ``target``, which messages call ``path``."""
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
            f"make it with `mkdir -p {folder}`",
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
    """Turn the system's errors in writing ``path`` into an ``OutputError``."""
    try:
        yield
    except BrokenPipeError:
        raise  # whoever reads has had enough: not a mistake
    except OSError as error:
        raise _explain(path, error) from error


def _explain(path: Path, error: OSError) -> OutputError:
    folder = path.parent
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        cause = "the disk is full" if error.errno == errno.ENOSPC else "the disk quota is used up"
        return _error(
            catalogue.DISK_FULL,
            f"`{path}` was not written: {cause}",
            f"free some space in `{folder}`, or name a file on another disk",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return _error(
            catalogue.OUTPUT_DENIED,
            f"no permission to write in `{folder}`",
            "name a file in a folder of yours",
        )
    if error.errno == errno.ENAMETOOLONG:
        return _error(
            catalogue.UNWRITABLE, f"the name `{path.name[:40]}...` is too long for this disk", "choose a shorter name"
        )
    reason = (error.strerror or str(error)).lower()
    return _error(catalogue.UNWRITABLE, f"`{path}` was not written: {reason}", "name another file")


def _error(code: Code, message: str, way_out: str) -> OutputError:
    return OutputError(Diagnostic(code, message, helps=(way_out,)))


def _sync_folder(folder: Path) -> None:
    """Make a rename durable. Not every system can (Windows cannot open folders)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _terminate_by_exception() -> Iterator[None]:
    """Let SIGTERM end the program through ``SystemExit``, so that temporary files are removed.

    Only where nobody else handles it, and in the main thread, which alone may set handlers.
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
