"""A page that follows its files: a server for the browser on this machine, and for no one else.

Whoever saves a file sees the picture change. While the file has mistakes, the page tells them below the last picture
that was good. Changes are found by looking at the files a few times a second, and told as server-sent events.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from resdsl.cli.flags import as_flags
from resdsl.diagnostics import CompileError
from resdsl.diagnostics.render import render
from resdsl.page.page import Data, page_data
from resdsl.specification.specification import Specification
from resdsl.tools.view.view import page_of, view_data

HOST = "127.0.0.1"
PORT = 8421
"""Where the page is, unless it is taken: a tab that stayed open finds the server again."""

_EVERY = 0.25
"""Seconds from one look at the files to the next."""

_MOST_SILENCE = 15.0
"""Seconds after which a waiting browser is told that the server is still there."""

_WIDTH = 100
"""Columns of the mistakes on the page."""

Stamp = tuple[int, int] | None
"""When a file was written and how large it is; ``None`` where there is none."""


@dataclass(frozen=True, slots=True)
class State:
    """What there is to see: the last good ``data``, the ``mistakes`` of the newest text, and which version that is."""

    version: str
    data: Data
    mistakes: str


class Follower:
    """Watches the files of one or two specifications. ``load`` reads them anew, and may raise ``CompileError``."""

    def __init__(self, load: Callable[[], tuple[Specification, ...]], files: Iterable[Path]) -> None:
        self._load = load
        self._named = tuple(files)
        self._changed = threading.Condition()
        self._used: tuple[Path, ...] = ()
        # The versions of two servers, one after the other at the same address, are not to be taken for each other.
        self._server = secrets.token_hex(4)
        self._looks = 0
        self._stamps: dict[Path, Stamp] = {}
        self._state = State("", page_data(()), "")
        self.look()

    @property
    def state(self) -> State:
        with self._changed:
            return self._state

    def look(self) -> None:
        """Read the files, and wake whoever waits for it."""
        self._stamps = self._stamp()
        data, mistakes = self._state.data, ""
        try:
            given = self._load()
            self._used = tuple(source.path for one in given for source in one.program.sources if source.path)
            data = view_data(*given)
        except CompileError as error:
            mistakes = render(error.diagnostics, width=_WIDTH, spelling=as_flags)
        # What has just been found to be used is watched from now on.
        self._stamps = {**self._stamp(), **self._stamps}
        with self._changed:
            self._looks += 1
            self._state = State(f"{self._server}-{self._looks}", data, mistakes)
            self._changed.notify_all()

    def follow(self, stop: threading.Event) -> None:
        """Look whenever something was saved, until ``stop``."""
        while not stop.wait(_EVERY):
            if self._stamp() != self._stamps:
                self.look()

    def wait(self, version: str, seconds: float) -> State | None:
        """The state as soon as it is another than ``version``; ``None`` where nothing happens in that time."""
        with self._changed:
            if self._changed.wait_for(lambda: self._state.version != version, seconds):
                return self._state
            return None

    def _stamp(self) -> dict[Path, Stamp]:
        # A used file that was missing may appear beside the others.
        beside = {other for file in self._named for other in file.parent.glob("*.res")}
        return {path: _stamp(path) for path in {*self._named, *self._used, *beside}}


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


class LiveView(ThreadingHTTPServer):
    """The server. ``port`` 0 takes any that is free. Raises ``OSError`` where the port is taken."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, follower: Follower, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.follower = follower
        self._stop = threading.Event()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def run(self) -> None:
        """Serve until Ctrl-C or ``shutdown``."""
        watcher = threading.Thread(target=self.follower.follow, args=(self._stop,), daemon=True)
        watcher.start()
        try:
            self.serve_forever(poll_interval=0.1)
        finally:
            self._stop.set()
            self.server_close()
            watcher.join()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()


class _Handler(BaseHTTPRequestHandler):
    server: LiveView

    def do_GET(self) -> None:
        # Another site's name may lead to this machine; what it would read here is not for it.
        if self.headers.get("Host") not in {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}:
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        address = urlsplit(self.path)
        state = self.server.follower.state
        if address.path == "/":
            self._send("text/html; charset=utf-8", page_of(state.data, version=state.version))
        elif address.path == "/data.json":
            self._send("application/json", json.dumps(state.data, ensure_ascii=False))
        elif address.path == "/events":
            seen = self.headers.get("Last-Event-ID") or parse_qs(address.query).get("seen", [""])[0]
            with contextlib.suppress(ConnectionError):
                self._tell(seen, state)
        elif address.path == "/favicon.ico":
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _send(self, kind: str, text: str) -> None:
        body = text.encode()
        self._head(kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def _head(self, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")

    def _tell(self, seen: str, state: State) -> None:
        """Events, as they happen. What the browser has seen already is told again only where it has mistakes."""
        self._head("text/event-stream")
        self.end_headers()
        if seen != state.version or state.mistakes:
            self._event(state)
        version = state.version
        while not self.server.stopped:
            found = self.server.follower.wait(version, _MOST_SILENCE)
            if found is None:
                self.wfile.write(b": still here\n\n")
                continue
            version = found.version
            self._event(found)

    def _event(self, state: State) -> None:
        name, data = ("mistakes", state.mistakes) if state.mistakes else ("network", "")
        self.wfile.write(f"id: {state.version}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal is for what the reader did."""
