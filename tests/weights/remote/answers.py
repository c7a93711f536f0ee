"""A web server of prepared answers, in this process: any bytes may be one."""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

URL = "http://127.0.0.1:9/files/w.bin"

Answer = Callable[[int, bytes], bytes | None]
"""The bytes to send on a connection, by its number from 0 and the request; ``None`` refuses it."""


class Connection:
    """What ``http.client`` needs of a socket."""

    def __init__(self, number: int, answer: Answer) -> None:
        self._number = number
        self._answer = answer
        self._request = b""

    def sendall(self, data: bytes) -> None:
        self._request += data

    def makefile(self, mode: str, **_: object) -> io.BufferedReader:
        answer = self._answer(self._number, self._request)
        if answer is None:
            raise ConnectionRefusedError("refused")
        return io.BufferedReader(io.BytesIO(answer))  # type: ignore[arg-type]

    def setsockopt(self, *_: object) -> None:
        """No options."""

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def serving(answer: Answer, most: int = 1000) -> Iterator[list[bytes]]:
    """Give ``answer`` for every connection to loopback, and refuse those by ``https``; at most ``most`` requests."""
    requests: list[bytes] = []

    def connect(host: tuple[str, int], *_: object, **__: object) -> Connection:
        assert host[0] in ("127.0.0.1", "localhost", "::1"), f"connects to {host}"
        assert len(requests) < most, "asks without end"

        def recorded(number: int, request: bytes) -> bytes | None:
            requests.append(request)
            return answer(number, request)

        return Connection(len(requests), recorded)

    def refuse(_: object) -> None:
        raise ConnectionRefusedError("refused")

    def context() -> ssl.SSLContext:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the system's certificates, which take long to load

    with (
        mock.patch.object(socket, "create_connection", connect),
        mock.patch.object(http.client.HTTPSConnection, "connect", refuse),
        mock.patch.object(ssl, "_create_default_https_context", context),
    ):
        yield requests


def response(status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
    """An answer with these headers; ``_`` in their names stands for ``-``."""
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
