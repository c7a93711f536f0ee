"""A local server for a page that updates when its files are saved.

While a file has errors, the page shows them together with the last valid picture, or with that of the text where only
its shapes and totals are not as it states them. Files are polled a few times a second; updates are sent as server-sent
events.
"""

from __future__ import annotations

import contextlib
import io
import json
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from resdsl.cli.flags import as_flags
from resdsl.diagnostics import CompileError, Diagnostics
from resdsl.diagnostics.render import render
from resdsl.page.page import Data, page_data
from resdsl.specification.specification import Specification
from resdsl.tools.view.view import page_of, view_data

HOST = "127.0.0.1"
PORT = 8421
"""The default port. It is fixed, so that an open tab reconnects after a restart."""

_EVERY = 0.25
"""Seconds between two polls of the files."""

_MOST_SILENCE = 15.0
"""Seconds after which a comment is sent to keep the connection alive."""

_WIDTH = 100
"""Columns of the error messages on the page."""

_REQUEST_SECONDS = 10.0
"""Time for a request to arrive."""

_WRITE_SECONDS = 30.0
"""Time for a browser to take a piece of the response."""

_REQUEST_BYTES = 64 * 1024
"""Size of a request line and its headers together."""

_MOST_CONNECTIONS = 64
"""Further connections are closed: each takes a thread."""

Stamp = tuple[int, int] | None
"""Modification time and size of a file; ``None`` if it does not exist."""


@dataclass(frozen=True, slots=True)
class State:
    """What the page shows: the last valid ``data``, the ``errors`` of the newest text, and its version.

    ``is_current``: the data are those of the newest text.
    """

    version: str
    data: Data
    errors: str
    is_current: bool


class Follower:
    """Watches the files of one or two specifications. ``load`` reads them again and may raise ``CompileError``."""

    def __init__(self, load: Callable[[], tuple[Specification, ...]], files: Iterable[Path]) -> None:
        self._load = load
        self._named = tuple(files)
        self._changed = threading.Condition()
        self._used: tuple[Path, ...] = ()
        # A restarted server at the same address must not repeat versions of the old one.
        self._server = secrets.token_hex(4)
        self._looks = 0
        self._stamps: dict[Path, Stamp] = {}
        self._state = State("", page_data(()), "", False)
        self.look()

    @property
    def state(self) -> State:
        with self._changed:
            return self._state

    def look(self) -> None:
        """Read the files and notify all waiting threads."""
        self._stamps = self._stamp()
        data, errors, is_current = self._state.data, "", False
        try:
            given = self._load()
            self._used = tuple(source.path for one in given for source in one.program.sources if source.path)
            data, is_current = view_data(*(one.as_built() for one in given)), True
            wrong = Diagnostics.of(error for one in given for error in one.diagnostics.errors)
            errors = render(wrong, width=_WIDTH, spelling=as_flags)
        except CompileError as error:
            errors = render(error.diagnostics, width=_WIDTH, spelling=as_flags)
        # Also watch the used files that this read found.
        self._stamps = {**self._stamp(), **self._stamps}
        with self._changed:
            self._looks += 1
            self._state = State(f"{self._server}-{self._looks}", data, errors, is_current)
            self._changed.notify_all()

    def follow(self, stop: threading.Event) -> None:
        """Read the files again after every change, until ``stop`` is set."""
        while not stop.wait(_EVERY):
            if self._stamp() != self._stamps:
                self.look()

    def wait(self, version: str, seconds: float) -> State | None:
        """The state once its version is not ``version``; ``None`` if that takes more than ``seconds``."""
        with self._changed:
            if self._changed.wait_for(lambda: self._state.version != version, seconds):
                return self._state
            return None

    def _stamp(self) -> dict[Path, Stamp]:
        # A missing used file may be created beside the others.
        beside = {other for file in self._named for other in file.parent.glob("*.res")}
        return {path: _stamp(path) for path in {*self._named, *self._used, *beside}}


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


class LiveView(ThreadingHTTPServer):
    """The server. ``port`` 0 uses any free port. Raises ``OSError`` if the port is in use."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, follower: Follower, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.follower = follower
        self._stop = threading.Event()
        self._connections = threading.BoundedSemaphore(_MOST_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

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


class _RequestBytes(io.RawIOBase):
    """The bytes of one request: neither more than ``_REQUEST_BYTES`` nor later than after ``_REQUEST_SECONDS``."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._left = _REQUEST_BYTES
        self._deadline = time.monotonic() + _REQUEST_SECONDS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._left:
            raise ConnectionError("the request is too long")
        self._connection.settimeout(max(self._deadline - time.monotonic(), 0.001))
        count = self._connection.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count


class _Handler(BaseHTTPRequestHandler):
    server: LiveView

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_RequestBytes(self.connection))

    def do_GET(self) -> None:
        self.connection.settimeout(_WRITE_SECONDS)
        # DNS rebinding: the name of another site can resolve to this machine.
        if self.headers.get("Host") not in {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}:
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        try:
            address = urlsplit(self.path)
        except ValueError:  # such as http://[
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        state = self.server.follower.state
        if address.path == "/":
            self._send("text/html; charset=utf-8", page_of(state.data, version=state.version))
        elif address.path == "/data.json":
            self._send("application/json", json.dumps(state.data, ensure_ascii=False))
        elif address.path == "/events":
            seen = self.headers.get("Last-Event-ID") or parse_qs(address.query).get("seen", [""])[0]
            with contextlib.suppress(ConnectionError):
                self._send_events(seen, state)
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

    def _send_events(self, seen: str, state: State) -> None:
        """Send events as they happen. The version that the browser has is sent again only if it has errors."""
        self._head("text/event-stream")
        self.end_headers()
        if seen != state.version or state.errors:
            self._event(state)
        version = state.version
        while not self.server.stopped:
            changed = self.server.follower.wait(version, _MOST_SILENCE)
            if changed is None:
                self.wfile.write(b": still here\n\n")
                continue
            version = changed.version
            self._event(changed)

    def _event(self, state: State) -> None:
        name = "network" if not state.errors else "unexpected" if state.is_current else "errors"
        data = state.errors
        self.wfile.write(f"id: {state.version}\nevent: {name}\ndata: {json.dumps(data)}\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: requests would fill the terminal."""
