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
import re
import shutil
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from resdsl.diagnostics import Code, Diagnostic, catalogue
from resdsl.diagnostics.errors import OutputError
from resdsl.inputs import record_output

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


_SYNC_SECONDS = 0.02
"""Seconds between two ``fsync`` calls while a file is being written."""

_SEEKING = threading.Lock()

_READER_SECONDS = 10.0
"""How long a pipe may be without a program that reads it."""

_MARK = ".resdsl.tmp"
_TEMPORARY = re.compile(rf"\..*\.[0-9a-f]{{12}}{re.escape(_MARK)}", re.DOTALL)


def write_file(path: Path, data: bytes, *, in_place: bool = False) -> None:
    """Write a small file atomically. Raises ``OutputError``.

    ``in_place`` is for what is made of the file itself, as the formatter does: otherwise a file that the run has read
    cannot be its output.
    """
    if in_place:
        with explained(path):
            target = real_target(path)
            _check_place(path, target)
        with _pending(path, target) as pending:
            pending.stream.write(data)
            pending.commit(target)
        return
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
        self._temporary = _temporary_path(target)
        self._stream: OutputStream | None = None

    def open(self) -> None:
        """Create the file. The caller must also call ``discard``, since an interrupt may follow immediately."""
        # Not tempfile: it creates files that only their owner can read.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        while True:
            self._stream = OutputStream(os.open(self._temporary, flags, 0o666), self._path)
            # Between the two calls another run may have taken the file for an abandoned one.
            if _lock(self._stream.fileno()) is not False and self._temporary.exists():
                break
            self._stream.close()
            self._temporary = _temporary_path(self._target)
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
            if sys.platform == "win32":
                self.stream.close()  # an open file cannot be renamed there
            self._temporary.replace(target)
            # Not before: this releases the lock, and a file without one is taken for an abandoned one.
            self.stream.close()
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
            stream = OutputStream(_open_stream(path), path)
        with stream:
            yield stream
        return
    with pending_file(path) as pending:
        yield pending.stream
        pending.commit(real_target(path))


def _open_stream(path: Path) -> int:
    """A descriptor to write with. A pipe that nobody reads is an error, where opening it would wait for ever."""
    if not hasattr(os, "O_NONBLOCK") or not stat.S_ISFIFO(path.stat().st_mode):
        return os.open(path, os.O_WRONLY)
    start = time.monotonic()
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() - start > _READER_SECONDS:
                message = f"`{path}` is a pipe, and no program reads it"
                raise _error(catalogue.UNWRITABLE, message, "start its reader first, or name a file") from None
            time.sleep(0.05)
        else:
            os.set_blocking(descriptor, True)
            return descriptor


@contextmanager
def pending_file(path: Path) -> Iterator[PendingFile]:
    """A temporary file in the folder of ``path``, with the permissions of ``path``.

    It is removed if the block ends without ``commit``: by an exception, Ctrl-C or SIGTERM.
    """
    with explained(path):
        target = real_target(path)
        check_target(path, target)
    with _pending(path, target) as pending:
        yield pending


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """A new folder beside ``target``, removed at the end; should the process be killed, by a later run."""
    descriptor: int | None = None
    folder = _temporary_path(target)
    _remove_abandoned(target.parent)
    try:
        folder.mkdir(mode=0o700)
        if sys.platform != "win32":  # opens no folders
            # Another run may have taken the folder for an abandoned one before it was locked.
            while (descriptor := _locked_folder(folder)) is None:
                folder = _temporary_path(target)
                folder.mkdir(mode=0o700)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def scratch_folder() -> AbstractContextManager[Path]:
    """As ``temporary_folder``, where the system keeps temporary files."""
    import tempfile  # slow to import: it loads random and hashlib

    return temporary_folder(Path(tempfile.gettempdir(), "resdsl"))


def _locked_folder(folder: Path) -> int | None:
    """A descriptor that keeps the lock of a folder; ``None`` if another run is removing it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    if _lock(descriptor) is not False and folder.exists():
        return descriptor
    os.close(descriptor)
    return None


@contextmanager
def _pending(path: Path, target: Path) -> Iterator[PendingFile]:
    with _terminate_by_exception():
        _remove_abandoned(target.parent)
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


def _temporary_path(target: Path) -> Path:
    # The target's own name may be as long as the file system allows.
    return target.with_name(f".{target.name[:50]}.{os.urandom(6).hex()}{_MARK}")


def _lock(descriptor: int) -> bool | None:
    """Mark an open file as in use until it is closed or the process ends, however it ends.

    ``False`` if another process has marked it; ``None`` where the system or the file system has no locks.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_abandoned(folder: Path) -> None:
    """Remove the temporary files in ``folder`` whose processes were killed."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for path in [entry.path for entry in entries if _TEMPORARY.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                # Neither follow a link nor wait for a pipe: others may write in the folder.
                descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
                try:
                    if not _lock(descriptor):
                        continue
                    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                        shutil.rmtree(path, ignore_errors=True)
                    else:
                        Path(path).unlink()
                finally:
                    os.close(descriptor)


def check_target(path: Path, target: Path) -> None:
    """Raise ``OutputError`` if ``target`` cannot be written, or is read by the run. Messages name it ``path``."""
    _check_place(path, target)
    record_output(path)


def _check_place(path: Path, target: Path) -> None:
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
