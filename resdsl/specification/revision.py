"""Specifications as they were in a revision of a git repository, read through ``git show``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from resdsl.diagnostics import CompileError, Diagnostic, Diagnostics, Source, catalogue
from resdsl.elaborate import Limits
from resdsl.elaborate.program import is_below, read_file, standard_library
from resdsl.specification.specification import Specification, load
from resdsl.specification.text import decode

Reviewed = str | os.PathLike[str] | Source | Specification
"""A file, a network that resdsl ships, ``REV:path``, a text, or a specification."""


@dataclass(frozen=True)
class Revision:
    """A commit of the repository that the folder ``where`` is in."""

    name: str
    where: Path

    @cached_property
    def root(self) -> Path:
        """The top folder of the working tree."""
        return Path(run_git(["rev-parse", "--show-toplevel"], self.where).decode().rstrip("\n")).resolve()

    def source(self, path: str) -> Source:
        """The text of a file in this revision; ``path`` is relative to ``where``. Raises ``CompileError``."""
        written = f"{self.name}:{path}"
        # A colon and a dot make git start from the folder it runs in, and not from the top.
        data = run_git(["show", f"{self.name}:{self._inside(Path(self.where, path))}"], self.where)
        return decode(data, name=written, path=Path(self.where, path).resolve())

    def read(self, path: Path) -> str:
        """What ``use`` reads: a file of the same revision. Raises ``FileNotFoundError`` where it has none."""
        if is_below(path, standard_library()):
            return read_file(path)
        try:
            return run_git(["show", f"{self.name}:{self._inside(path)}"], self.where).decode("utf-8")
        except CompileError:
            raise FileNotFoundError(path) from None

    def _inside(self, path: Path) -> str:
        resolved = path.resolve()
        if not resolved.is_relative_to(self.root):
            message = f"`{path}` lies outside of the repository `{self.root}`"
            raise _failure(message, "name a file of the repository, or leave the revision away")
        return resolved.relative_to(self.root).as_posix()


def revision_of(written: str, where: Path) -> tuple[Revision, str] | None:
    """The revision and the path of ``REV:path``, or ``None`` for what is not written so, or is a file's name."""
    name, colon, path = written.partition(":")
    # One letter before a colon is a drive.
    if not colon or len(name) < 2 or not path or Path(written).exists():
        return None
    return Revision(name, where), path


def reviewed(
    given: Reviewed,
    *,
    model: str | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    input_shape: tuple[int | str, ...] | None = None,
    limits: Limits | None = None,
) -> Specification:
    """The specification that is given, as for ``resdsl.diff``; a ``Specification`` stays as it is."""
    if isinstance(given, Specification):
        return given
    if isinstance(given, str) and (found := revision_of(given, Path.cwd())) is not None:
        revision, path = found
        source = revision.source(path)
        return load(source, model=model, set=set, input_shape=input_shape, limits=limits, read=revision.read)
    return load(given, model=model, set=set, input_shape=input_shape, limits=limits)


def run_git(arguments: list[str], where: Path) -> bytes:
    """What git prints. Raises ``CompileError`` where it fails, or is not installed."""
    import subprocess  # not for what is a file

    # A revision is data: git takes what begins with a dash for an option.
    if any(argument.startswith("-") for argument in arguments[1:] if ":" in argument):
        raise _failure(f"`{arguments[-1]}` is no revision of a file", "write `REV:path`, such as `main:net.res`")
    environment = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(["git", *arguments], cwd=where, capture_output=True, check=False, env=environment)
    except OSError:
        raise _failure("git is not installed, and a revision is read with it", "install git, or name files") from None
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        reason = told[0].removeprefix("fatal: ") if told else "it gives no reason"
        raise _failure(f"git cannot read `{arguments[-1]}`: {reason}", "`git log --oneline` lists the revisions")
    return done.stdout


def _failure(message: str, way_out: str) -> CompileError:
    diagnostics = Diagnostics()
    diagnostics.report(Diagnostic(catalogue.UNREADABLE_FILE, message, helps=(way_out,)))
    return CompileError(diagnostics)
