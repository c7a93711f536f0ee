"""A local server that behaves like the model hub or like a plain web server."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

constants = pytest.importorskip("huggingface_hub.constants", reason="needs the extra `hub`")
pytest.importorskip("filelock", reason="needs the extra `hub`")

COMMIT = "0123456789abcdef0123456789abcdef01234567"

TIMM_CONFIG = {
    "architecture": "tiny",
    "num_classes": 3,
    "label_names": ["cat", "dog", "hen"],
    "pretrained_cfg": {
        "tag": "a1_in1k",
        "input_size": [3, 16, 16],
        "interpolation": "bicubic",
        "crop_pct": 0.95,
        "crop_mode": "center",
        "mean": [0.5, 0.4, 0.3],
        "std": [0.2, 0.2, 0.1],
    },
}
"""In the form in which timm 1.0 pushes it."""

SPEC = """\
model tiny(classes = 3) {
  input image: f32[N, 3, 16, 16]
  conv1: conv(4, 3x3);  bn1: bn;  relu
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""


@dataclass
class Server:
    """``files`` are served below ``/files``; ``repository`` is that of the name ``owned`` on the hub.

    ``breaks`` is after how many bytes the next answers to GET break off; ``promise`` what the hub says that the digest
    of its large files is, where it lies. ``asked`` has the requests, with the ranges asked for.
    """

    address: str
    files: dict[str, bytes] = field(default_factory=dict)
    repository: dict[str, bytes] = field(default_factory=dict)
    owned: str = "timm/tiny"
    redirects: dict[str, str] = field(default_factory=dict)
    breaks: list[int] = field(default_factory=list)
    promise: str | None = None
    error: str = "RepoNotFound"
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    httpd.state = Server(f"http://127.0.0.1:{httpd.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield httpd.state  # type: ignore[attr-defined]
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def hub(server: Server, weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The model hub's client asks ``server``, which has ``weights`` as ``model.safetensors``."""
    server.repository = {"model.safetensors": weights}
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        server.address + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 256)
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the client's tries
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    return server


@pytest.fixture
def weights() -> bytes:
    """A ``.safetensors`` file for ``SPEC``."""
    from safetensors.numpy import save

    drawn = np.random.default_rng(0)
    shapes = {"conv1.weight": (4, 3, 3, 3), "fc.weight": (3, 4), "fc.bias": (3,)}
    shapes |= {f"bn1.{name}": (4,) for name in ("weight", "bias", "running_mean", "running_var")}
    return save({name: drawn.random(shape, np.float32) for name, shape in shapes.items()})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ThreadingHTTPServer

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def _answer(self, *, with_body: bool) -> None:
        state: Server = self.server.state  # type: ignore[attr-defined]
        path = self.path.partition("?")[0]
        state.asked.append((self.command, path, self.headers.get("Range")))
        if path in state.redirects:
            self._send(302, b"", {"Location": state.redirects[path]}, with_body)
        elif path.startswith("/files/"):
            self._file(state.files.get(path.removeprefix("/files/")), {}, with_body)
        elif path.startswith(f"/{state.owned}/resolve/"):
            revision, _, name = path.removeprefix(f"/{state.owned}/resolve/").partition("/")
            if revision not in ("main", "v1", COMMIT):
                self._send(404, b"", {"X-Error-Code": "RevisionNotFound"}, with_body)
                return
            content = state.repository.get(name)
            headers = {"X-Repo-Commit": COMMIT}
            if content is None:
                self._send(404, b"", headers | {"X-Error-Code": "EntryNotFound"}, with_body)
                return
            digest = hashlib.sha256(content).hexdigest()
            if name.endswith(".safetensors"):
                headers |= {"X-Linked-ETag": f'"{state.promise or digest}"', "X-Linked-Size": str(len(content))}
            self._file(content, headers, with_body)
        else:
            code = 403 if state.error == "GatedRepo" else 401
            self._send(code, b"", {"X-Error-Code": state.error}, with_body)

    def _file(self, content: bytes | None, headers: dict[str, str], with_body: bool) -> None:
        if content is None:
            self._send(404, b"nothing here", {}, with_body)
            return
        headers["ETag"] = f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"'
        if self.headers.get("If-None-Match") == headers["ETag"]:
            self._send(304, b"", headers, with_body)
            return
        asked = self.headers.get("Range")
        if asked and self.headers.get("If-Range") in (None, headers["ETag"]):
            start, _, end = asked.removeprefix("bytes=").partition("-")
            part = content[int(start) : int(end) + 1 if end else None]
            headers["Content-Range"] = f"bytes {start}-{int(start) + len(part) - 1}/{len(content)}"
            self._send(206, part, headers, with_body)
            return
        self._send(200, content, headers, with_body)

    def _send(self, code: int, body: bytes, headers: dict[str, str], with_body: bool) -> None:
        state: Server = self.server.state  # type: ignore[attr-defined]
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not with_body:
            return
        if code in (200, 206) and state.breaks:
            body = body[: state.breaks.pop(0)]
            self.close_connection = True
        self.wfile.write(body)


@pytest.fixture
def timm_config() -> Callable[..., bytes]:
    """timm's ``config.json`` with changes of ``pretrained_cfg``."""

    def make(**changes: object) -> bytes:
        return json.dumps(TIMM_CONFIG | {"pretrained_cfg": TIMM_CONFIG["pretrained_cfg"] | changes}).encode()  # type: ignore[operator]

    return make


@pytest.fixture
def spec_text() -> str:
    return SPEC
