"""An object store on loopback: moto's S3, behind a layer that fails as real stores do."""

from __future__ import annotations

import socket
import struct
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import boto3
from moto.core.authorization import enable_iam_authentication
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

_THROTTLED = {
    503: ("503 Slow Down", b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"),
    429: ("429 Too Many Requests", b"<Error><Code>TooManyRequests</Code><Message>Too many.</Message></Error>"),
}


@dataclass
class Store:
    """``requests`` counts them by method and path. What fails is chosen by setting the other fields."""

    url: str = ""
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    throttled: dict[str, int] = field(default_factory=dict)
    """So many requests for paths with this suffix are refused next."""
    status: int = 503
    resets: dict[str, int] = field(default_factory=dict)
    """So many downloads of paths with this suffix end in the middle, with a reset of the connection."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def query(self) -> str:
        """What addresses end with to reach the store."""
        return f"?endpoint_override={self.url}&scheme=http&region=us-east-1"

    def client(self, key: str = "x", secret: str = "x") -> Any:
        return boto3.client(
            "s3", endpoint_url=f"http://{self.url}", region_name="us-east-1", aws_access_key_id=key,
            aws_secret_access_key=secret,
        )  # fmt: skip

    def fails(self, kind: dict[str, int], path: str) -> bool:
        with self.lock:
            for suffix, left in kind.items():
                if left and path.endswith(suffix):
                    kind[suffix] -= 1
                    return True
        return False


@contextmanager
def object_store() -> Iterator[Store]:
    store = Store()
    application = _failing(DomainDispatcherApplication(create_backend_app), store)
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Handler)
    store.url = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def guarded(store: Store) -> Iterator[tuple[str, str]]:
    """While the block runs, only requests signed with this key and secret, as addresses have them, are answered."""
    identity = boto3.client(
        "iam", endpoint_url=f"http://{store.url}", region_name="us-east-1", aws_access_key_id="x",
        aws_secret_access_key="x",
    )  # fmt: skip
    name = f"reader-{uuid.uuid4()}"
    identity.create_user(UserName=name)
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
    identity.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    made = identity.create_access_key(UserName=name)["AccessKey"]
    with enable_iam_authentication():
        yield made["AccessKeyId"], quote(made["SecretAccessKey"], safe="")


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


def _failing(application: Application, store: Store) -> Application:
    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        store.requests[method, path] += 1
        if store.fails(store.throttled, path):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            status, body = _THROTTLED[store.status]
            start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [b"" if method == "HEAD" else body]
        parts = application(environ, start)
        if method == "GET" and store.fails(store.resets, path):
            return _reset(b"".join(parts), environ["werkzeug.socket"])
        return parts

    return answer


def _reset(body: bytes, connection: socket.socket) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    # Closed with data unsent, a socket without lingering resets its connection.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RD)
    connection.close()
    raise ConnectionResetError
