"""What a server refuses: too much, too slow, too many at once, and clients that it does not know."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from serving import Server, serving
from tritonclient.grpc import service_pb2, service_pb2_grpc  # type: ignore[import-untyped]

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes the certificate")
TOKEN = "a7" * 16
MOST_BODY = 4096


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "certificate.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", *names]
    subprocess.run([*made, "-out", files[0], "-keyout", files[1], "-days", "2"], check=True, capture_output=True)
    return files


@pytest.fixture(scope="module")
def strict(model: Path, certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with small limits, tokens and TLS."""
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text(f"other\n{TOKEN}\n")
    tokens.chmod(0o600)
    limits = ("--max-queue", "1", "--max-body", str(MOST_BODY), "--timeout", "2", "--max-pixels", "5000")
    tls = ("--tls-cert", certificate[0], "--tls-key", certificate[1])
    with serving(model, *limits, *tls, "--token-file", tokens) as one:
        yield one


def trusted(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate)


def ask(
    server: Server, certificate: Path, path: str, body: bytes | None = None, token: str | None = TOKEN
) -> tuple[int, Any, Any]:
    request = urllib.request.Request(f"{server.url}{path}", body)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, context=trusted(certificate), timeout=30) as response:
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), error.headers


@contextlib.contextmanager
def begun(server: Server, certificate: Path, length: int) -> Iterator[ssl.SSLSocket]:
    """A request whose body has begun and does not end."""
    lines = ["POST /predict HTTP/1.1", "Host: localhost", f"Authorization: Bearer {TOKEN}", f"Content-Length: {length}"]
    head = "\r\n".join([*lines, "", ""])
    plain = socket.create_connection(("127.0.0.1", server.port))
    with trusted(certificate).wrap_socket(plain, server_hostname="localhost") as connection:
        connection.settimeout(30)
        connection.sendall(head.encode() + b"x")
        yield connection


@pytest.mark.parametrize("token", [None, "", "nosuch", "othe", TOKEN[:-1]])
def test_without_a_known_token_only_health_and_the_page_are_answered(
    strict: Server, certificate: tuple[Path, Path], token: str | None
) -> None:
    for path, body in (("/v2", None), ("/metrics", None), ("/predict", b"x"), ("/v2/models/net/infer", b"{}")):
        status, answer, headers = ask(strict, certificate[0], path, body, token)
        assert status == 401 and "token" in answer["error"] and headers["WWW-Authenticate"] == "Bearer"
    for path in ("/v2/health/live", "/v2/health/ready", "/"):
        assert ask(strict, certificate[0], path, token=token)[0] == 200


def test_grpc_has_the_same_tokens_and_certificate(strict: Server, certificate: tuple[Path, Path]) -> None:
    credentials = grpc.ssl_channel_credentials(certificate[0].read_bytes())
    request = service_pb2.ModelMetadataRequest(name="net")
    with grpc.secure_channel(f"localhost:{strict.grpc_port}", credentials) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert stub.ServerReady(service_pb2.ServerReadyRequest()).ready
        with pytest.raises(grpc.RpcError) as error:
            stub.ModelMetadata(request)
        assert error.value.code() is grpc.StatusCode.UNAUTHENTICATED
        known = stub.ModelMetadata(request, metadata=[("authorization", f"Bearer {TOKEN}")])
        assert known.versions == ["1"]
        with pytest.raises(grpc.RpcError) as error:
            large = service_pb2.ModelInferRequest(model_name="net", raw_input_contents=[b"x" * MOST_BODY])
            stub.ModelInfer(large, metadata=[("authorization", f"Bearer {TOKEN}")])
        assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_large_body_is_refused_whether_or_not_it_states_its_size(
    strict: Server, certificate: tuple[Path, Path]
) -> None:
    status, answer, _ = ask(strict, certificate[0], "/predict", b"x" * (MOST_BODY + 1))
    assert status == 413 and str(MOST_BODY) in answer["error"]
    # Without a length: chunks.
    chunks = iter([b"x" * 1000] * 5)
    request = urllib.request.Request(f"{strict.url}/predict", chunks, {"Authorization": f"Bearer {TOKEN}"})  # type: ignore[arg-type]
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, context=trusted(certificate[0]), timeout=30)
    with error.value:
        assert error.value.code == 413


def test_an_image_of_many_pixels_is_refused_before_it_is_decoded(
    strict: Server, certificate: tuple[Path, Path]
) -> None:
    import io

    from PIL import Image

    png = io.BytesIO()
    Image.new("L", (100, 51)).save(png, "PNG")
    status, answer, _ = ask(strict, certificate[0], "/predict", png.getvalue())
    assert status == 413 and "100 x 51" in answer["error"] and answer["code"] == "E0821"


def test_a_full_queue_says_when_to_come_back_and_takes_requests_again(
    strict: Server, certificate: tuple[Path, Path]
) -> None:
    with begun(strict, certificate[0], 10) as connection:
        status, answer, headers = 0, {}, {}
        for _ in range(200):  # until the server has read the head of the first
            status, answer, headers = ask(strict, certificate[0], "/predict", b"x")
            if status != 400:
                break
        assert status == 429 and int(headers["Retry-After"]) >= 1 and "not answered yet" in answer["error"]
        connection.sendall(b"123456789")
        assert b" 400 " in connection.recv(100)  # what was accepted is answered: it is no image
    assert ask(strict, certificate[0], "/predict", b"x")[0] == 400


def test_a_body_that_does_not_end_is_given_up(strict: Server, certificate: tuple[Path, Path]) -> None:
    with begun(strict, certificate[0], 10) as connection:
        assert b" 504 " in connection.recv(100)
    assert ask(strict, certificate[0], "/predict", b"x")[0] == 400
