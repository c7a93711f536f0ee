"""A page that updates when its file is saved."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import EXECUTABLE, Browser

import resdsl
from resdsl.tools.view.live_view import Follower, LiveView

GOOD = """use "unit.res" (unit)
model net {
  input x: f32[N, 3, 8, 8]
  a: unit(4)
  output y
}
"""
UNIT = "block unit(width) { c: conv(width, 3x3) }\n"


class Events:
    """The events of a server, as they arrive."""

    def __init__(self, server: LiveView, seen: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
        self._connection.request("GET", f"/events?seen={seen}")
        self._answer = self._connection.getresponse()
        assert self._answer.headers["Content-Type"] == "text/event-stream"

    def next(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while line := self._answer.readline().decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            found[name] = value
        return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "unit.res").write_text(UNIT)
    path = tmp_path / "net.res"
    path.write_text(GOOD)
    return path


@pytest.fixture
def server(file: Path) -> Iterator[LiveView]:
    live = LiveView(Follower(lambda: (resdsl.load(file),), [file]), 0)
    thread = threading.Thread(target=live.run)
    thread.start()
    yield live
    live.shutdown()
    thread.join(10)
    assert not thread.is_alive()


def get(server: LiveView, path: str, host: str = "") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    connection.request("GET", path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def network(server: LiveView) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(get(server, "/data.json")[1])["networks"][0]
    return found


def weights(server: LiveView) -> int:
    found = network(server)
    count: int = found["pieces"][found["root"]]["cost"][0]
    return count


def test_a_saved_file_sends_an_event_and_is_drawn(server: LiveView, file: Path) -> None:
    events = Events(server, server.follower.state.version)
    assert weights(server) == 4 * 3 * 9
    file.write_text(GOOD.replace("unit(4)", "unit(5)"))
    assert events.next()["event"] == "network"
    assert weights(server) == 5 * 3 * 9


def test_a_used_file_is_followed_too(server: LiveView, file: Path) -> None:
    events = Events(server, server.follower.state.version)
    file.with_name("unit.res").write_text(UNIT.replace("3x3", "1x1"))
    assert events.next()["event"] == "network"
    assert weights(server) == 4 * 3


def test_errors_are_sent_and_the_last_valid_network_stays(server: LiveView, file: Path) -> None:
    events = Events(server, server.follower.state.version)
    file.write_text(GOOD.replace("unit(4)", "unti(4)"))
    event = events.next()
    assert event["event"] == "errors"
    assert "`unti`" in json.loads(event["data"])
    assert weights(server) == 4 * 3 * 9
    # A page that is opened now hears of them at once.
    assert Events(server, event["id"]).next()["event"] == "errors"
    file.write_text(GOOD)
    assert events.next()["event"] == "network"


def test_a_wrong_total_is_sent_with_the_new_network(server: LiveView, file: Path) -> None:
    events = Events(server, server.follower.state.version)
    file.write_text(GOOD.replace("unit(4)", "unit(5)").replace("}\n", "  expect depth == 2\n}\n"))
    event = events.next()
    assert event["event"] == "unexpected" and "E0502" in json.loads(event["data"])
    assert weights(server) == 5 * 3 * 9
    file.write_text(GOOD)
    assert events.next()["event"] == "network"


def test_a_file_that_is_gone_for_a_while_is_waited_for(server: LiveView, file: Path) -> None:
    events = Events(server, server.follower.state.version)
    file.unlink()
    assert events.next()["event"] == "errors"
    file.write_text(GOOD)
    assert events.next()["event"] == "network"


def test_a_server_may_begin_with_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "net.res"
    path.write_text("model net { conv( }")
    state = Follower(lambda: (resdsl.load(path),), [path]).state
    assert state.data["networks"] == []
    assert "error" in state.errors


def test_other_names_of_this_machine_are_refused(server: LiveView) -> None:
    # DNS rebinding: a page from elsewhere whose name leads here.
    assert get(server, "/data.json", host="evil.example")[0] == 403
    assert get(server, "/data.json", host=f"localhost:{server.server_port}")[0] == 200


def test_there_is_nothing_but_the_page(server: LiveView) -> None:
    assert get(server, "/../net.res")[0] == 404
    assert get(server, "/favicon.ico")[0] == 204
    assert "EventSource" in get(server, "/")[1]


@pytest.mark.skipif(EXECUTABLE is None, reason="no Chromium is installed here")
def test_the_page_changes_in_the_browser(server: LiveView, file: Path, tmp_path: Path) -> None:
    with Browser(tmp_path / "profile") as browser:
        browser.open(server.url)
        assert browser.run("document.querySelectorAll('.box').length") > 1
        file.write_text(GOOD.replace("unit(4)", "unti(4)"))
        browser.wait("!document.getElementById('trouble').hidden")
        assert "unti" in browser.run("document.querySelector('#trouble pre').textContent")
        assert "3x3 conv, 4" in browser.run("document.querySelector('.picture').textContent")
        file.write_text(GOOD.replace("unit(4)", "unit(6)").replace("}\n", "  expect depth == 2\n}\n"))
        browser.wait("document.querySelector('.picture').textContent.includes('3x3 conv, 6')")
        browser.wait("/E0502/.test(document.querySelector('#trouble pre').textContent)")
        file.write_text(GOOD.replace("unit(4)", "unit(6)"))
        browser.wait("document.getElementById('trouble').hidden")
        browser.settle()
        assert "3x3 conv, 6" in browser.run("document.querySelector('.picture').textContent")
        assert browser.complaints == []


def exchange(server: LiveView, request: bytes) -> bytes:
    """What the server answers to these bytes, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as connection:
        answer = b""
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
            while piece := connection.recv(1 << 16):
                answer += piece
        return answer


HOSTILE = [
    b"GET http://[ HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
    b"GET //[::1/x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n",
    b"GET /events?seen=%ff%00 HTTP/0.9\r\n\r\n",
    b"GET / HTTP/" + b"9" * 5_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
    b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
    b"GET / HTTP/1.1\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: abc\r\n\r\n",
    b"\0\xff\x1b]0;x\x07 \r\n\r\n",
    b"GET",
]


@pytest.mark.parametrize("request_bytes", HOSTILE, ids=range(len(HOSTILE)))
def test_no_request_shows_a_traceback_or_stops_the_server(
    request_bytes: bytes, server: LiveView, capfd: pytest.CaptureFixture[str]
) -> None:
    port = str(server.server_port).encode()
    with contextlib.suppress(TimeoutError):
        if request_bytes == b"GET":
            socket.create_connection(("127.0.0.1", server.server_port)).close()
        else:
            exchange(server, request_bytes.replace(b"PORT", port))
    assert get(server, "/")[0] == 200
    assert capfd.readouterr().err == ""


def test_an_address_that_is_none_is_a_bad_request(server: LiveView) -> None:
    request = f"GET http://[ HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n".encode()
    assert exchange(server, request).split(b" ", 2)[1] == b"400"


def test_a_browser_that_goes_away_shows_no_traceback(server: LiveView, capfd: pytest.CaptureFixture[str]) -> None:
    for path in ("/", "/events", "/data.json", "/missing"):
        for _ in range(5):
            connection = socket.create_connection(("127.0.0.1", server.server_port))
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n".encode())
            # A reset in place of an orderly end, as where a tab is closed while the page loads.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
    server.follower.look()  # writes to the event streams
    assert get(server, "/")[0] == 200
    assert capfd.readouterr().err == ""


def test_slow_clients_do_not_block_others(server: LiveView, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resdsl.tools.view.live_view._REQUEST_SECONDS", 0.5)
    slow = [socket.create_connection(("127.0.0.1", server.server_port), timeout=30) for _ in range(20)]
    for connection in slow:
        connection.sendall(b"GET / HT")
    assert get(server, "/")[0] == 200
    # One byte now and then does not keep the connection open.
    connection, *others = slow
    start = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - start < 20:
            connection.settimeout(0.1)
            try:
                if not connection.recv(1):
                    break
            except TimeoutError:
                connection.sendall(b"x")
    assert time.monotonic() - start < 20
    for one in slow:
        one.close()
    assert others
