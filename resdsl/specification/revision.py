"""Files as they were in a revision of a git repository, read with ``git cat-file``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO

from resdsl.diagnostics import CompileError, Source, catalogue
from resdsl.elaborate.program import is_below, read_file, standard_library
from resdsl.specification.text import LARGEST_FILE, decode


@dataclass(frozen=True)
class Revision:
    """A commit of the repository that the folder ``where`` is in."""

    name: str
    where: Path

    @cached_property
    def root(self) -> Path:
        """The top folder of the working tree."""
        return Path(os.fsdecode(run_git(["rev-parse", "--show-toplevel"], self.where)).removesuffix("\n")).resolve()

    def source(self, path: str, *, largest: int = LARGEST_FILE) -> Source:
        """The text of a file in this revision; ``path`` is relative to ``where``. Raises ``CompileError``."""
        data = self._blob(Path(self.where, path), largest)
        return decode(data, name=f"{self.name}:{path}", path=Path(self.where, path).resolve(), largest=largest)

    def mapped(self, path: str, *, largest: int) -> mmap | bytes:
        """The bytes of a file in this revision, in a file of its own that is mapped: a model may be large.

        ``path`` is relative to ``where``. Raises ``CompileError`` if it has more than ``largest`` bytes.
        """
        import tempfile  # only for models

        name = f"{self.name}:{self._inside(Path(self.where, path))}"
        if int(run_git(["cat-file", "-s", name], self.where)) > largest:
            raise _error(f"`{name}` has more than {largest:,} bytes", "compare files instead of revisions")
        with tempfile.TemporaryFile() as file:
            run_git(["cat-file", "blob", name], self.where, into=file)
            # An empty file cannot be mapped.
            return mmap(file.fileno(), 0, access=ACCESS_READ) if os.fstat(file.fileno()).st_size else b""

    def read(self, path: Path) -> str:
        """Read a used file from the same revision. Raises ``FileNotFoundError`` if the revision does not have it."""
        if is_below(path, standard_library()):
            return read_file(path)
        try:
            data = self._blob(path, LARGEST_FILE)
        except CompileError:
            raise FileNotFoundError(path) from None
        return decode(data, name=f"{self.name}:{path}").text if len(data) > LARGEST_FILE else data.decode("utf-8")

    def _blob(self, path: Path, largest: int) -> bytes:
        """The content, at most ``largest`` bytes and one more: a huge file in a pull request must cost no memory."""
        return run_git(["cat-file", "blob", f"{self.name}:{self._inside(path)}"], self.where, most=largest + 1)

    def _inside(self, path: Path) -> str:
        resolved = path.resolve()
        if not resolved.is_relative_to(self.root):
            message = f"`{path}` is outside the repository `{self.root}`"
            raise _error(message, "name a file of the repository, or omit the revision")
        return resolved.relative_to(self.root).as_posix()


def revision_of(written: str, where: Path) -> tuple[Revision, str] | None:
    """The revision and the path of ``REV:path``, or ``None`` for what is not written so, or is a file's name."""
    name, colon, path = written.partition(":")
    # One letter before a colon is a drive.
    if not colon or len(name) < 2 or not path or Path(written).exists():
        return None
    return Revision(name, where), path


def run_git(arguments: list[str], where: Path, *, most: int = -1, into: IO[bytes] | None = None) -> bytes:
    """The output of git, at most ``most`` bytes, or nothing if it is written ``into`` an open file.

    Raises ``CompileError`` if git fails or is not installed.
    """
    import subprocess  # only for revisions

    # A revision is user input, and git would read one with a leading dash as an option.
    if any(argument.startswith("-") for argument in arguments[1:] if ":" in argument):
        raise _error(f"`{arguments[-1]}` is not a file of a revision", "write `REV:path`, such as `main:net.res`")
    environment = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        git = subprocess.Popen(
            ["git", *arguments],
            cwd=where,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if into is None else into,
            stderr=subprocess.PIPE,
        )
    except (OSError, ValueError):
        raise _error("git is not installed, and is needed to read a revision", "install git, or name files") from None
    with git:
        if most >= 0:
            assert git.stdout is not None
            output = git.stdout.read(most)
            if len(output) == most:
                git.kill()
                return output
            _, errors = git.communicate()
        else:
            output, errors = git.communicate()
            output = output or b""
    if git.returncode:
        lines = errors.decode(errors="replace").strip().splitlines()
        reason = lines[0].removeprefix("fatal: ") if lines else "no reason given"
        if reason.startswith("not a git repository"):
            raise _error("this folder is in no git repository, so it has no revisions", "name files instead")
        raise _error(f"git cannot read `{arguments[-1]}`: {reason}", "`git log --oneline` lists the revisions")
    return output


def path_list(output: bytes) -> list[str]:
    """Paths that git printed with ``-z``. Bytes that are not UTF-8 are kept, as in ``os.fsdecode``."""
    return [os.fsdecode(path) for path in output.split(b"\0")]


def _error(message: str, suggestion: str) -> CompileError:
    return CompileError.of(catalogue.UNREADABLE_FILE, message, helps=(suggestion,))
