"""The files that a run reads and writes, so that no output replaces an input.

A run is a command, or a call of the Python API that writes a file. Files are compared by device and inode: links to the
same file are that file. Outside of a run nothing is recorded, because a program may read a file in one call and replace
it in a later one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import OutputError
from resdsl.untrusted import printable

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_Key = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Run:
    inputs: dict[_Key, str] = field(default_factory=dict)
    outputs: dict[_Key, str] = field(default_factory=dict)


_RUN: ContextVar[_Run | None] = ContextVar("run", default=None)
"""Threads start without it: they get a copy of the context of the thread that starts them."""


@contextmanager
def one_run() -> Iterator[None]:
    """While the block runs, outputs that would replace inputs are errors. A run inside a run is part of it."""
    if _RUN.get() is not None:
        yield
        return
    token = _RUN.set(_Run())
    try:
        yield
    finally:
        _RUN.reset(token)


@contextmanager
def own_files() -> Iterator[None]:
    """While the block runs, nothing is recorded: it reads files that it has written itself, and replaces them.

    State before it with ``record_output`` which files these are.
    """
    token = _RUN.set(None)
    try:
        yield
    finally:
        _RUN.reset(token)


def as_one_run(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """A function whose calls are runs."""

    @wraps(function)
    def call(*arguments: Parameters.args, **options: Parameters.kwargs) -> Result:
        with one_run():
            return function(*arguments, **options)

    return call


def record_input(path: str | os.PathLike[str], *, keep: bool = True) -> None:
    """State that the run reads ``path``. Raises ``OutputError`` if the run is writing that file.

    ``keep=False`` is for one of very many files, such as the images of a folder, while the outputs are already open.
    """
    run = _RUN.get()
    key = None if run is None else _key(path)
    if run is None or key is None:
        return
    if key in run.outputs:
        raise _error(run.outputs[key], os.fspath(path))
    if keep:
        run.inputs[key] = os.fspath(path)


def record_output(path: Path) -> None:
    """State that the run replaces the file ``path``. Raises ``OutputError`` if it reads that file."""
    run = _RUN.get()
    key = None if run is None else _key(path)
    if run is None or key is None:
        return
    if key in run.inputs:
        raise _error(os.fspath(path), run.inputs[key])
    run.outputs[key] = os.fspath(path)


def _key(path: str | os.PathLike[str]) -> _Key | None:
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None  # the caller reports it
    return status.st_dev, status.st_ino


def _error(output: str, read: str) -> OutputError:
    output, read = printable(output, most=500), printable(read, most=500)
    message = f"`{output}` is read by this command, so it cannot be its output"
    notes = (f"it is the same file as `{read}`",) if output != read else ()
    return OutputError.of(catalogue.OUTPUT_IS_INPUT, message, notes=notes, helps=("name another output file",))
