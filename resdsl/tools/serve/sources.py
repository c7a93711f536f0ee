"""Where models come from: files, specifications, and folders of versions, which may change while the server runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from resdsl.compiler.models import Build, Model, is_specification, model_files, name_of
from resdsl.diagnostics import RunError, catalogue
from resdsl.ir import metadata
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.files import ModelFile
from resdsl.runtime.processor import processor
from resdsl.runtime.session import Session, open_session
from resdsl.untrusted import bounded_int

MODEL_FILE = "model.onnx"
_MOST_VERSION = 2**31 - 1
_MOST_FILES = 1000
_NAMED = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)=(.+)", re.DOTALL)

NO_SPINNING = {"session.intra_op.allow_spinning": "0"}
"""Threads of ONNX Runtime sleep between operators: by default they wait in a loop, on the cores that requests need."""

Stamp = tuple[object, ...]
"""What changes when files do."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A model on its device, and on CPUs also as a session of one thread, for requests that run side by side.

    ONNX Runtime divides each operator among the threads of a session, which have to meet after each of them. Requests
    side by side on one thread each need no meeting: they take up to half of the CPU time.
    """

    session: Session
    one_thread: Session | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A version of a model that a source has now. ``open`` loads it, in any thread, or raises ``ResdslError``."""

    stamp: Stamp
    open: Callable[[], Opened]


class Source(Protocol):
    """One argument of the command."""

    def scan(self) -> Mapping[str, Mapping[int, Offer]]:
        """The versions that are there now, by the name of the model. Raises no ``OSError``."""
        ...


class Folder:
    """A model repository, as ``resdsl package`` writes it: ``NAME/VERSION/model.onnx``. Or one model of it."""

    def __init__(self, path: Path, device: DeviceOptions, *, spread: bool) -> None:
        self._path = path
        self._device = device
        self._spread = spread

    def scan(self) -> Mapping[str, Mapping[int, Offer]]:
        single = self._versions(self._path)
        if single:
            return {self._path.resolve().name: single}
        models = {folder.name: self._versions(folder) for folder in _folders(self._path)}
        return {name: versions for name, versions in models.items() if versions}

    def _versions(self, folder: Path) -> dict[int, Offer]:
        versions: dict[int, Offer] = {}
        for inside in _folders(folder):
            number = bounded_int(inside.name, least=1, most=_MOST_VERSION)
            file = inside / MODEL_FILE
            if number is not None and file.is_file():
                opened = partial(_opened, ModelFile(str(file), file), self._device, spread=self._spread)
                versions[number] = Offer(_stamp_below(inside), opened)
        return versions


class File:
    """An ONNX file, or a specification, which is compiled once. When the file changes, it is the next version."""

    def __init__(self, model: Model, name: str | None, build: Build, device: DeviceOptions, *, spread: bool) -> None:
        self._model = model
        self._build = build
        self._device = device
        self._spread = spread
        self._changes = not is_specification(model)
        self._version = 1
        self._opened: Stamp | None = None
        # Opened now, so that an error is reported before the server starts.
        self._first: Opened | None = self._open()
        self._name = name or _plain_name(metadata.NAME.find(self._first.session.metadata) or Path(name_of(model)).stem)

    def scan(self) -> Mapping[str, Mapping[int, Offer]]:
        stamp = _stamp(Path(name_of(self._model))) if self._changes else ()
        if stamp is None:
            stamp = self._opened or ()  # it is being replaced, or was removed: what is loaded stays
        version = self._version + (self._opened is not None and stamp != self._opened)
        return {self._name: {version: Offer(stamp, partial(self._open_version, version, stamp))}}

    def _open_version(self, version: int, stamp: Stamp) -> Opened:
        session, self._first = self._first or self._open(), None
        self._version, self._opened = version, stamp
        return session

    def _open(self) -> Opened:
        with model_files([(self._model, self._build)]) as (made,):
            return _opened(made, self._device, spread=self._spread)


def _opened(model: ModelFile, device: DeviceOptions, *, spread: bool) -> Opened:
    session = open_session(model.file, device=device, name=model.name, entries=NO_SPINNING)
    if not spread or session.device.kind != "cpu" or device.threads is not None or processor().threads == 1:
        return Opened(session)
    one = replace(device, device="cpu", threads=1)
    return Opened(session, open_session(model.file, device=one, name=model.name, entries=NO_SPINNING))


def source_of(given: str, build: Build, device: DeviceOptions, *, spread: bool = False) -> Source:
    """The source that an argument names: a folder, a file, a specification, or ``NAME=`` before one of the latter.

    With ``spread``, CPUs run requests side by side where that is possible. Raises ``RunError`` for a folder without
    models, and for a model as ``open_session`` does.
    """
    name, model = _split_name(given)
    if Path(model).is_dir():
        folder = Folder(Path(model), device, spread=spread)
        if not folder.scan():
            raise RunError.of(
                catalogue.NOTHING_SERVED,
                f"the folder `{model}` has no models: there is no NAME/VERSION/{MODEL_FILE} in it",
                helps=("write one with `resdsl package MODEL --for triton -o FOLDER`",),
            )
        return folder
    return File(model, name, build, device, spread=spread)


def _split_name(given: str) -> tuple[str | None, str]:
    """``cats=net.onnx`` as the name and the model; ``None`` without a name, and for a path that has the ``=``."""
    match = _NAMED.fullmatch(given)
    if match is None or Path(given).exists():
        return None, given
    return match[1], match[2]


def _plain_name(stated: str) -> str:
    """The name of a network as a part of an address."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", stated).strip("-._")[:63].rstrip("-._") or "model"


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            return sorted(Path(one.path) for one in entries if not one.name.startswith(".") and one.is_dir())
    except OSError:
        return []


def _stamp(file: Path) -> Stamp | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _stamp_below(folder: Path) -> Stamp:
    files = []
    for path, _, names in os.walk(folder):
        files += [Path(path, name) for name in names]
        if len(files) > _MOST_FILES:
            break
    return tuple((str(file), _stamp(file)) for file in sorted(files[:_MOST_FILES]))
