"""The open texts, and the newest analysis of each."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from lsprotocol import types
from pygls import uris

from resdsl.diagnostics import Diagnostic, Source, catalogue
from resdsl.elaborate.limits import Limits
from resdsl.elaborate.program import read_file
from resdsl.elaborate.trace import Cancelled
from resdsl.tools.lsp.analysis import Analysis, Known, Settings
from resdsl.tools.lsp.positions import Positions

_STACK = 64 * 2**20
"""Bytes of the stack of the thread that elaborates: texts may nest."""

_MOST_FILES = 1_000
"""Files of a workspace that are looked through for uses of a name."""


_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


class Superseded(Exception):
    """The text has changed since the request, whose answer would be about an old one."""


class Documents:
    """Open documents by URI. All methods are called from the event loop; texts are elaborated in one thread.

    ``published`` is called with the URI of a document when its analysis is complete.
    """

    def __init__(self, published: Callable[[str], None]) -> None:
        self.encoding = "utf-16"
        self.settings: Callable[[Path | None], Settings] = lambda _path: Settings()
        self._published = published
        self._texts: dict[str, str] = {}
        self._analyses: dict[str, Analysis] = {}
        self._known: dict[str, Known] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._thread = _one_thread()
        self._pictures = _one_thread()

    def __contains__(self, uri: str) -> bool:
        return uri in self._texts

    @property
    def open(self) -> list[str]:
        return list(self._texts)

    def set_text(self, uri: str, text: str) -> None:
        """Open a document, or replace its text."""
        is_new = uri not in self._texts
        self._texts[uri] = text
        self._analyse(uri)
        if is_new:
            # Others may have missed this file until now.
            for other in self.open:
                if other != uri:
                    self._analyse(other)
            return
        path = _path(uri)
        for other, analysis in list(self._analyses.items()):
            if other != uri and path is not None and _is_used(path, analysis):
                self._analyse(other)

    def change(self, uri: str, changes: Iterable[types.TextDocumentContentChangeEvent]) -> None:
        """Apply the changes of a notification, one after another."""
        text = self._texts.get(uri)
        if text is None:
            return
        for change in changes:
            text = Positions(text, self.encoding).changed(change)
        self.set_text(uri, text)

    def close(self, uri: str) -> None:
        self._texts.pop(uri, None)
        analysis = self._analyses.pop(uri, None)
        if analysis is not None:
            analysis.cancel()
        self._tasks.pop(uri, None)
        self._known.pop(uri, None)

    def analyse_all(self) -> None:
        """Analyse every open document again: a setting or a file on the disk has changed."""
        self._known.clear()
        for uri in self.open:
            self._analyse(uri)

    def shut_down(self) -> None:
        for analysis in self._analyses.values():
            analysis.cancel()
        for thread in (self._thread, self._pictures):
            thread.shutdown(wait=False, cancel_futures=True)

    async def drawn(
        self, draw: Callable[_Parameters, _Result], *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> _Result:
        """The result of a function that may take long, computed beside the analyses of texts."""
        return await asyncio.wrap_future(self._pictures.submit(draw, *args, **kwargs))

    def _analyse(self, uri: str) -> None:
        before = self._analyses.get(uri)
        if before is not None:
            before.cancel()
        known = self._known.setdefault(uri, Known())
        analysis = self._analyses[uri] = self._new(uri, self._texts[uri], known)
        self._tasks[uri] = asyncio.get_running_loop().create_task(self._run(uri, analysis))

    def _new(self, uri: str, text: str, known: Known) -> Analysis:
        path = _path(uri)
        name = path.name if path is not None else uri.rpartition("/")[2]
        limit = Limits().file_bytes
        too_large = len(text) > limit
        source = Source(name, "" if too_large else text, path)
        refusal = Diagnostic(catalogue.LIMIT, f"the file has more than {limit:,} bytes") if too_large else None
        return Analysis(source, self.settings(path), self.encoding, self._read, known, refusal)

    def _read(self, path: Path) -> str:
        """The text of a used file: as it is in the editor, where it is open."""
        resolved = path.resolve()
        for uri, text in self._texts.items():
            known = _path(uri)
            if known is not None and known.resolve() == resolved:
                return text
        return read_file(path)

    async def _run(self, uri: str, analysis: Analysis) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, analysis.run)
        except (Cancelled, RuntimeError):
            return  # changed, or the server is shutting down
        if self._analyses.get(uri) is analysis:
            self._published(uri)

    def parsed(self, uri: str) -> Analysis | None:
        """The newest text, of which perhaps only the tree is known yet."""
        return self._analyses.get(uri)

    async def analysed(self, uri: str) -> Analysis | None:
        """The newest text with what became of its statements. Raises ``Superseded`` if it changes meanwhile."""
        text = self._texts.get(uri)
        while True:
            analysis, task = self._analyses.get(uri), self._tasks.get(uri)
            if analysis is None or task is None:
                return None
            await asyncio.shield(task)
            if self._analyses.get(uri) is analysis:
                return analysis
            # Settings or used files have changed: editors ask again only when they have changed the text themselves.
            if self._texts.get(uri) != text:
                raise Superseded

    def workspace(self, folders: Iterable[Path]) -> list[Analysis]:
        """The open texts and the other files of the folders, for the names in them."""
        found = list(self._analyses.values())
        known = {analysis.source.path for analysis in found}
        for folder in folders:
            for path in _files(folder, _MOST_FILES - len(found)):
                if path in known:
                    continue
                try:
                    text = read_file(path)
                except (OSError, UnicodeDecodeError):
                    continue
                if len(text) <= Limits().file_bytes:
                    found.append(Analysis(Source(path.name, text, path), Settings(), self.encoding, self._read))
        return found


def _one_thread() -> Executor:
    """A thread with a large stack; in a browser, which has none, the caller's own."""
    if sys.platform == "emscripten":
        return _InPlace()
    before = threading.stack_size(_STACK)
    thread = ThreadPoolExecutor(1, thread_name_prefix="resdsl")
    thread.submit(lambda: None).result()
    threading.stack_size(before)
    return thread


class _InPlace(Executor):
    """Runs what is submitted at once."""

    def submit(
        self, function: Callable[_Parameters, _Result], /, *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> Future[_Result]:
        future: Future[_Result] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def _is_used(path: Path, analysis: Analysis) -> bool:
    return any(used is not None and used.resolve() == path.resolve() for used in analysis.used)


def _path(uri: str) -> Path | None:
    if not uri.startswith("file:"):
        return None
    path = uris.to_fs_path(uri)
    return Path(path) if path else None


def _files(folder: Path, most: int) -> list[Path]:
    """The specifications below a folder; hidden folders are left out."""
    found: list[Path] = []
    pending = [folder]
    while pending and len(found) < most:
        try:
            entries = sorted(pending.pop().iterdir())
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name == "node_modules" or entry.is_symlink():
                continue
            if entry.is_dir():
                pending.append(entry)
            elif entry.suffix == ".res" and entry.is_file():
                found.append(entry)
    return found[:most]
