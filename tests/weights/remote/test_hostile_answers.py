"""Answers of servers that are wrong or hostile: each ends as one error, after few requests and little on the disk."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from resdsl.diagnostics import CompileError
from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.remote import web
from resdsl.weights.remote.address import WebAddress

from .answers import URL, Answer, response, serving

CONTENT = b"0123456789" * 1000
ADDRESS = WebAddress(URL, "w.bin")
PINNED = WebAddress(URL, "w.bin", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESDSL_CACHE", str(tmp_path / "cache"))
    for name in ("HF_HUB_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def error_of(answer: Answer, address: WebAddress = ADDRESS) -> tuple[str, int]:
    """The message of the error, and how many requests there were."""
    with serving(answer) as requests, pytest.raises(CheckpointError) as caught:
        web.fetch_from_web(address, None)
    assert caught.value.diagnostic.code.id in ("E0840", "E0841")
    assert caught.value.diagnostic.message.isprintable()
    assert len(caught.value.diagnostic.message) < 600
    return caught.value.diagnostic.message, len(requests)


def fetched(answer: Answer, address: WebAddress = ADDRESS) -> bytes:
    with serving(answer):
        return web.fetch_from_web(address, None).path.read_bytes()


def complete(_: int, request: bytes) -> bytes:
    """The file, whole."""
    return response(Content_Length=str(len(CONTENT)), ETag='"1"', body=b"" if request.startswith(b"HEAD") else CONTENT)


HEADERS = {
    "a number is converted before it is bounded": {
        "length abc": response(Content_Length="abc"),
        "two lengths": response(Content_Length="411, 411"),
        "a length of 5,000 digits": response(Content_Length="9" * 5000),
        "a negative length": response(Content_Length="-1"),
        "a length in other digits": b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n",
        "a redirect with a length of 30 digits": response("302 Found", Location=URL, Content_Length="9" * 30),
        "a chunk of 30 digits": response(Transfer_Encoding="chunked", body=b"f" * 30 + b"\r\nx"),
        "more than the limit": response(Content_Length=str(web.LARGEST + 1)),
        "more than the disk has": response(Content_Length=str(web.LARGEST)),
    },
    "an address is used before it is checked": {
        "a redirect to half an address": response("302 Found", Location="http://[::1/x"),
        "a redirect to a port that is none": response("302 Found", Location="http://127.0.0.1:x/"),
        "a redirect to a host of too many characters": response("302 Found", Location=f"https://{'a' * 70}.org/x"),
        "a redirect to ftp on another host": response("302 Found", Location="ftp://example.org/x"),
        "a redirect to ftp on this machine": response("302 Found", Location="ftp://127.0.0.1/x"),
        "a redirect to a file": response("302 Found", Location="file:///etc/passwd"),
        "a redirect to http elsewhere": response("302 Found", Location="http://example.org/x"),
        "a redirect with control characters": response("302 Found", Location="http://example.org/\x1b[31m"),
        "a redirect in a circle": response("302 Found", Location=URL),
    },
    "an answer is used before its status is checked": {
        "a part that nobody asked for": response("206 Partial Content", Content_Range="bytes 5-9/10", body=b"56789"),
        "an accepted request": response("202 Accepted", body=b"wait"),
        "a reason with control characters": response("500 \x1b[31m"),
        "no answer": b"",
        "no protocol": b"\xff" * 2000,
        "a thousand headers": response(**{f"a{number}": "b" for number in range(1000)}),
    },
}


@pytest.mark.parametrize(
    "answer",
    [pytest.param(answer, id=f"{cause}: {name}") for cause, cases in HEADERS.items() for name, answer in cases.items()],
)
def test_a_bad_answer_is_one_error_after_few_requests(answer: bytes, cache: Path) -> None:
    _, requests = error_of(lambda *_: answer)
    assert requests <= 11  # a circle of redirects is left after ten
    assert not list(cache.rglob("w.bin"))


def test_https_is_never_left_for_http_not_even_on_this_machine() -> None:
    handler = web._SafeRedirects()
    request = web.urllib.request.Request("https://example.org/x")
    with pytest.raises(web._InvalidResponseError, match="not `https`"):
        handler.redirect_request(request, io.BytesIO(), 302, "", {}, "http://127.0.0.1/x")  # type: ignore[arg-type]


def test_a_broken_file_and_416_in_turn_end_after_a_few_requests() -> None:
    def answer(_: int, request: bytes) -> bytes:
        if b"Range:" in request:
            return response("416 Range Not Satisfiable")
        return response(Content_Length="100000", ETag='"1"', body=CONTENT)

    message, requests = error_of(answer)
    assert requests == web.ATTEMPTS
    assert "416" in message or "missing" in message


def test_one_byte_for_each_connection_ends_after_a_few_requests() -> None:
    def answer(number: int, request: bytes) -> bytes:
        if b"Range:" not in request:
            return response(Content_Length=str(len(CONTENT)), ETag='"1"', body=CONTENT[:1])
        return response(
            "206 Partial Content",
            Content_Range=f"bytes {number}-{len(CONTENT) - 1}/{len(CONTENT)}",
            Content_Length=str(len(CONTENT) - number),
            ETag='"1"',
            body=CONTENT[number : number + 1],
        )

    message, requests = error_of(answer)
    assert requests == web.ATTEMPTS
    assert f"{web.ATTEMPTS} bytes are kept" in message


def test_a_download_that_makes_progress_is_resumed_as_often_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PROGRESS", 1000)

    def answer(number: int, _: bytes) -> bytes:
        start = number * 1000
        part = {"Content_Length": str(len(CONTENT) - start), "ETag": '"1"', "body": CONTENT[start : start + 1000]}
        if not number:
            return response(**part)  # type: ignore[arg-type]
        return response("206 Partial Content", Content_Range=f"bytes {start}-9999/10000", **part)  # type: ignore[arg-type]

    assert fetched(answer) == CONTENT


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_without_a_stated_length_ends_at_the_limit(
    cache: Path, monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    monkeypatch.setattr(web, "LARGEST_UNSTATED", 5000)
    if chunked:
        body, headers = b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONTENT), CONTENT), {"Transfer_Encoding": "chunked"}
    else:
        body, headers = CONTENT, {}
    message, _ = error_of(lambda *_: response(body=body, **headers))
    assert "sent more than 5,000 bytes" in message
    assert sum(path.stat().st_size for path in cache.rglob("*") if path.is_file()) < 1000


def test_a_chunk_of_negative_size_is_not_read_into_memory_at_once() -> None:
    import tracemalloc

    body = b"-1\r\n" + bytes(64 << 20)
    tracemalloc.start()
    try:
        error_of(lambda *_: response(Transfer_Encoding="chunked", body=body))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * len(body) // 2  # the answer itself is there once or twice


@pytest.mark.parametrize(
    "part",
    [
        {"Content_Range": "bytes 5000-9999/10000", "ETag": '"2"'},
        {"Content_Range": "bytes 4000-8999/10000", "ETag": '"1"'},
        {"Content_Range": "bytes \u00b2-9999/10000", "ETag": '"1"'},
        {"Content_Range": f"bytes {'9' * 5000}-9999/10000", "ETag": '"1"'},
        {"ETag": '"1"'},
    ],
    ids=["another version", "another place", "other digits", "5,000 digits", "no place"],
)
def test_a_part_that_does_not_continue_the_file_is_not_appended(part: dict[str, str]) -> None:
    def answer(number: int, request: bytes) -> bytes:
        if number == 0:
            return response(Content_Length="10000", ETag='"1"', body=CONTENT[:5000])
        if b"Range:" in request:
            return response("206 Partial Content", body=b"x" * 5000, Content_Length="5000", **part).replace(
                "\u00b2".encode(), b"\xb2"
            )
        return complete(number, request)

    assert fetched(answer) == CONTENT


RECORDS = {
    "no JSON": "{",
    "no object": "[1]",
    "nested": "[" * 100_000,
    "a size that is text": '{"size": "10000", "sha256": "%s", "etag": null}',
    "a digest that is a number": '{"size": 10000, "sha256": 5, "etag": null}',
    "a digest of nothing": '{"size": 10000, "sha256": "", "etag": null}',
    "a tag that is a list": '{"size": 10000, "sha256": "%s", "etag": []}',
    "a tag with a line break": '{"size": 10000, "sha256": "%s", "etag": "\\"1\\"\\r\\nHost: x"}',
    "a tag that is a surrogate": '{"size": 10000, "sha256": "%s", "etag": "\\ud800"}',
    "a size of 5,000 digits": '{"size": 1' + "0" * 5000 + ', "sha256": "%s", "etag": null}',
    "another field": '{"size": 10000, "sha256": "%s", "etag": null, "more": 1}',
    "not UTF-8": b"\xff",
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_damaged_record_of_the_cache_is_ignored(cache: Path, record: str | bytes) -> None:
    assert fetched(complete) == CONTENT
    [path] = cache.rglob("record.json")
    text = record if isinstance(record, bytes) else record.replace("%s", hashlib.sha256(CONTENT).hexdigest()).encode()
    path.write_bytes(text)
    assert fetched(complete) == CONTENT
    assert json.loads(path.read_bytes())["size"] == len(CONTENT)


@pytest.mark.parametrize("address", [ADDRESS, PINNED], ids=["plain", "with its digest"])
def test_a_cached_file_that_was_changed_is_fetched_again(cache: Path, address: WebAddress) -> None:
    fetched(complete, address)
    [kept] = cache.rglob("w.bin")
    stat = kept.stat()
    kept.write_bytes(b"x" * len(CONTENT))
    os.utime(kept, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert fetched(complete, address) == CONTENT


@pytest.mark.parametrize("name", ["part", "part.etag", "lock", "record.json"])
def test_a_file_may_be_called_like_one_of_the_cache(name: str) -> None:
    assert fetched(complete, WebAddress(f"http://127.0.0.1:9/{name}", name)) == CONTENT


def test_a_bad_answer_ends_the_command_without_a_traceback(tmp_path: Path) -> None:
    code = f"""
from tests.weights.remote.answers import *
from resdsl.cli.app import main
import sys
with serving(lambda *_: response(Content_Length="abc")):
    sys.argv = ["resdsl", "weights", {URL!r}, "-o", "w.safetensors"]
    main()
"""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{code}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "E0840" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_is_a_compile_error() -> None:
    assert issubclass(CheckpointError, CompileError)
