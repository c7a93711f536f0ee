from __future__ import annotations

import hashlib
import json
import multiprocessing

import pytest
from safetensors.numpy import load

from resdsl.diagnostics import CompileError
from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.read import read_weights
from resdsl.weights.remote import web
from resdsl.weights.remote.address import HubAddress, WebAddress, parse_address


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RESDSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def address(server, weights):
    server.files["w.safetensors"] = weights
    return f"{server.address}/files/w.safetensors"


def message_of(address: str) -> str:
    with pytest.raises(CompileError) as error:
        read_weights(address)
    [diagnostic] = error.value.diagnostics
    return f"{diagnostic.code.id}: {diagnostic.message}"


def test_weights_of_the_web(address, weights):
    seen: list[tuple[int, int]] = []
    with read_weights(address, progress=lambda done, total: seen.append((done, total))) as checkpoint:
        assert set(checkpoint.tensors) == set(load(weights))
        assert checkpoint.origin == f"{address}#sha256={hashlib.sha256(weights).hexdigest()}"
    assert seen[-1] == (len(weights), len(weights))


def test_a_cached_file_is_asked_for_and_not_sent_again(address, server):
    read_weights(address).close()
    server.asked.clear()
    read_weights(address).close()
    assert [method for method, _, _ in server.asked] == ["HEAD"]


def test_a_file_that_changed_is_fetched_again(address, server, weights):
    read_weights(address).close()
    server.files["w.safetensors"] = changed = weights[:-4] + bytes(4)
    with read_weights(address) as checkpoint:
        assert checkpoint.path.read_bytes() == changed


def test_a_file_with_its_digest_is_not_asked_for_twice(address, server, weights):
    fixed = f"{address}#sha256={hashlib.sha256(weights).hexdigest()}"
    read_weights(fixed).close()
    server.asked.clear()
    read_weights(fixed).close()
    assert not server.asked


def test_the_digest_in_a_name_is_checked(server, weights, cache):
    start = hashlib.sha256(weights).hexdigest()[:8]
    server.files[f"resnet50-{start}.safetensors"] = weights
    read_weights(f"{server.address}/files/resnet50-{start}.safetensors").close()
    server.files["resnet50-0676ba61.pth"] = weights
    message = message_of(f"{server.address}/files/resnet50-0676ba61.pth")
    assert message.startswith("E0841")
    assert message.endswith(f"its SHA-256 is {hashlib.sha256(weights).hexdigest()[:16]}, not 0676ba61")
    assert not list(cache.rglob("resnet50-0676ba61.pth")), "what is not trusted does not stay"
    assert not list(cache.rglob("part"))


def test_a_broken_download_is_resumed_where_it_stopped(address, server, weights):
    server.breaks = [100, 200]
    with read_weights(address) as checkpoint:
        assert checkpoint.path.read_bytes() == weights
    assert [asked for _, _, asked in server.asked] == [None, "bytes=100-", "bytes=300-"]


def test_a_download_given_up_is_resumed_in_the_next_run(address, server, weights):
    server.breaks = [100] + [0] * (web.ATTEMPTS - 1)
    assert message_of(address) == (
        f"E0840: `{address}` cannot be fetched: {len(weights) - 100:,} bytes are missing; "
        "100 bytes are kept and resumed"
    )
    server.asked.clear()
    with read_weights(address) as checkpoint:
        assert checkpoint.path.read_bytes() == weights
    assert [asked for _, _, asked in server.asked] == ["bytes=100-"]


def test_a_file_that_changed_halfway_begins_anew(address, server, weights):
    server.breaks = [100] + [0] * (web.ATTEMPTS - 1)
    message_of(address)
    server.files["w.safetensors"] = changed = weights[:-4] + b"\0\0\0\0"
    with read_weights(address) as checkpoint:
        assert checkpoint.path.read_bytes() == changed


def test_offline(address, server, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in message_of(address)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    read_weights(address).close()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    server.asked.clear()
    read_weights(address).close()
    assert not server.asked


def test_without_the_server_the_cache_is_used(address, server, weights):
    read_weights(address).close()
    server.redirects["/files/w.safetensors"] = "http://127.0.0.1:9/gone"
    with read_weights(address) as checkpoint:
        assert checkpoint.path.read_bytes() == weights


@pytest.mark.parametrize(
    ("name", "redirect", "fact"),
    [
        ("missing.pth", None, "its server has no such file (404 Not Found)"),
        ("w.safetensors", "http://127.0.0.1:9/x", "connection refused"),
        (
            "w.safetensors",
            "http://example.org/x",
            "its server sent a redirect to `http://example.org/x`, which is not `https`",
        ),
    ],
)
def test_refusals(server, weights, name, redirect, fact):
    server.files["w.safetensors"] = weights
    if redirect:
        server.redirects[f"/files/{name}"] = redirect
    message = message_of(f"{server.address}/files/{name}")
    assert message.startswith("E0840")
    assert fact in message


def test_a_private_file(server):
    assert "access is denied (401" in message_of(f"{server.address}/private.pth")


def test_a_web_page_is_no_checkpoint(server):
    server.files["w.pth"] = b"<!doctype html><p>Sign in"
    assert message_of(f"{server.address}/files/w.pth").startswith("E0702")


def test_a_cache_that_cannot_be_used(address, cache):
    cache.write_text("a file where the folder should be")
    assert message_of(address).startswith(f"E0840: `{address}` cannot be fetched: the cache `{cache}")


def test_a_damaged_cache_is_filled_again(address, weights, cache):
    read_weights(address).close()
    [kept] = cache.rglob("w.safetensors")
    kept.write_bytes(weights[:50])
    read_weights(address).close()
    [record] = cache.rglob("record.json")
    record.write_text("{")
    with read_weights(address) as checkpoint:
        assert checkpoint.path.read_bytes() == weights


def _read(address: str, queue: multiprocessing.Queue[int]) -> None:
    with read_weights(address) as checkpoint:
        queue.put(len(checkpoint.tensors))


def test_processes_take_turns(address, server, weights):
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_read, args=(address, queue)) for _ in range(2)]
    for process in processes:
        process.start()
    assert {queue.get(timeout=60) for _ in processes} == {len(load(weights))}
    for process in processes:
        process.join()
    assert [method for method, _, _ in server.asked].count("GET") == 1


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("w.safetensors", None),
        ("./hf/w.pth", None),
        ("C:\\weights\\w.pth", None),
        ("hf:timm/resnet50.a1_in1k", HubAddress("timm/resnet50.a1_in1k")),
        ("hf-hub:timm/resnet50.a1_in1k@v1.0", HubAddress("timm/resnet50.a1_in1k", "v1.0")),
        ("hf:o/n/sub/w.pth", HubAddress("o/n", None, "sub/w.pth")),
        ("hf:o/n@abc/w.pth", HubAddress("o/n", "abc", "w.pth")),
        (
            "https://example.org/a/resnet50-0676ba61.pth?download=1",
            WebAddress("https://example.org/a/resnet50-0676ba61.pth?download=1", "resnet50-0676ba61.pth", "0676ba61"),
        ),
        (
            f"https://example.org/w.pth#sha256={'A' * 64}",
            WebAddress("https://example.org/w.pth", "w.pth", "a" * 64),
        ),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("hf:resnet50", "it does not name a repository of the hub"),
        ("hf:o/n/../../secret", "it does not name a repository of the hub"),
        ("hf:../..", "it does not name a repository of the hub"),
        ("hf:a--b/c", "it does not name a repository of the hub"),
        ("http://example.org/w.pth", "data sent over `http` can be altered in transit"),
        ("https://example.org/", "it does not name a file"),
        ("https://example.org/w.pth#md5=1", "`#md5=1` is not a SHA-256"),
        ("s3://bucket/w.pth", "`s3` addresses are not supported"),
        ("file:///etc/passwd", "`file` addresses are not supported"),
        ("https://[::1/w.pth", "invalid ipv6 url"),
    ],
)
def test_addresses_that_cannot_be_used(text, fact):
    with pytest.raises(CheckpointError) as error:
        parse_address(text)
    assert error.value.diagnostic.code.id == "E0717"
    assert error.value.diagnostic.message == f"`{text}` is not an address of weights: {fact}"
    assert error.value.diagnostic.helps


def test_what_is_kept_is_readable(address, cache, weights):
    read_weights(address).close()
    [record] = cache.rglob("record.json")
    assert json.loads(record.read_bytes())["sha256"] == hashlib.sha256(weights).hexdigest()
