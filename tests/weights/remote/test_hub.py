from __future__ import annotations

import json
import os
import subprocess
import sys

import huggingface_hub.constants
import onnx
import pytest
from safetensors.numpy import load

from resdsl.cli.exits import USAGE
from resdsl.diagnostics import CompileError
from resdsl.weights.save import read_weights, save_weights


def message_of(address: str) -> str:
    with pytest.raises(CompileError) as error:
        read_weights(address)
    [diagnostic] = error.value.diagnostics
    assert diagnostic.helps, "every error has a fix"
    return f"{diagnostic.code.id}: {diagnostic.message}"


@pytest.mark.usefixtures("hub")
def test_weights_of_a_repository(weights):
    seen: list[tuple[int, int]] = []
    with read_weights("hf:timm/tiny", progress=lambda done, total: seen.append((done, total))) as checkpoint:
        assert set(checkpoint.tensors) == set(load(weights))
        assert checkpoint.name == "hf:timm/tiny"
        assert checkpoint.origin == "hf:timm/tiny@0123456789abcdef0123456789abcdef01234567/model.safetensors"
    assert seen[-1] == (len(weights), len(weights))


def test_the_cache_is_asked_before_the_hub_where_it_is_offline(hub, weights, monkeypatch):
    read_weights("hf:timm/tiny").close()
    hub.asked.clear()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with read_weights("hf-hub:timm/tiny") as checkpoint:
        assert set(checkpoint.tensors) == set(load(weights))
    assert not hub.asked
    assert "and HF_HUB_OFFLINE is set" in message_of("hf:timm/other")


@pytest.mark.usefixtures("hub")
def test_the_cache_is_used_where_the_hub_does_not_answer(monkeypatch, capfd):
    read_weights("hf:timm/tiny").close()
    monkeypatch.setattr(
        huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/{revision}/{filename}"
    )
    read_weights("hf:timm/tiny").close()
    assert message_of("hf:timm/other") == (
        "E0840: `hf:timm/other` cannot be fetched: the hub does not answer (connection refused), "
        "and it is not in the cache"
    )
    assert capfd.readouterr().err == "", "nothing of the client's own"


def test_a_revision_and_a_file(hub, weights):
    hub.repository = {"checkpoints/last.safetensors": weights}
    with read_weights("hf:timm/tiny@v1/checkpoints/last.safetensors") as checkpoint:
        assert "conv1.weight" in checkpoint.tensors


def test_shards_are_fetched_with_their_index(hub, weights):
    index = {"weight_map": dict.fromkeys(load(weights), "part-1.safetensors")}
    hub.repository = {"model.safetensors.index.json": json.dumps(index).encode(), "part-1.safetensors": weights}
    with read_weights("hf:timm/tiny") as checkpoint:
        assert checkpoint.read("fc.bias").shape == (3,)


@pytest.mark.parametrize("index", ["{", "[" * 100_000, '{"weight_map": {"a": "..", "b": "../x", "c": "a/b"}}', "[1]"])
def test_an_index_that_lists_no_file_of_the_repository_fetches_none(hub, index):
    hub.repository = {"model.safetensors.index.json": index.encode()}
    with pytest.raises(CompileError):
        read_weights("hf:timm/tiny")
    assert {path.rpartition("/")[2] for _, path, _ in hub.asked} <= {
        "model.safetensors",
        "model.safetensors.index.json",
        "config.json",
    }


def test_a_broken_download_is_resumed_where_it_stopped(hub, weights):
    hub.breaks = [len(weights) // 2]
    read_weights("hf:timm/tiny").close()
    ranges = [asked for method, path, asked in hub.asked if method == "GET" and path.endswith(".safetensors")]
    assert len(ranges) == 2
    start = int(ranges[1].removeprefix("bytes=").partition("-")[0])
    assert 0 < start <= len(weights) // 2


def test_a_file_with_another_digest_than_the_hub_states(hub, weights, tmp_path):
    hub.promise = "ab" * 32
    message = message_of("hf:timm/tiny")
    assert message.startswith("E0841: the file fetched from `hf:timm/tiny` is not the published one")
    assert "ab" * 32 in message
    assert not [
        path for path in (tmp_path / "hub").rglob("*") if path.is_file() and path.stat().st_size == len(weights)
    ]


@pytest.mark.parametrize(
    ("address", "error", "fact"),
    [
        ("hf:timm/other", "RepoNotFound", "the hub has no such repository, or it is private"),
        ("hf:timm/other", "GatedRepo", "access to the repository must be requested"),
        ("hf:timm/tiny@nope", "", "the repository has no revision `nope`"),
        ("hf:timm/tiny/x.safetensors", "", "the repository has no `x.safetensors`"),
    ],
)
def test_refusals(hub, address, error, fact):
    hub.error = error
    assert message_of(address) == f"E0840: `{address}` cannot be fetched: {fact}"


def test_weights_that_cannot_be_fetched_end_as_files_that_are_not_there(hub):
    hub.error = "RepoNotFound"
    with pytest.raises(CompileError) as error:
        read_weights("hf:timm/other")
    assert error.value.exit_status == USAGE


def test_a_repository_without_weights(hub):
    hub.repository = {"README.md": b"# nothing"}
    assert "the repository has none of `model.safetensors`" in message_of("hf:timm/tiny")


@pytest.mark.usefixtures("hub")
def test_weights_are_converted_from_an_address(weights, tmp_path):
    save_weights("hf:timm/tiny", tmp_path / "w.safetensors")
    assert load((tmp_path / "w.safetensors").read_bytes())["fc.bias"].tobytes() == load(weights)["fc.bias"].tobytes()


def test_as_a_person_types_it(server, weights, tmp_path, timm_config, spec_text):
    server.repository = {"model.safetensors": weights, "config.json": timm_config()}
    (tmp_path / "tiny.res").write_text(spec_text)
    environment = os.environ | {"HF_ENDPOINT": server.address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-m", "resdsl", "compile", "tiny.res", "--weights", "hf:timm/tiny", "-o", "tiny.onnx"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (
        "from `hf:timm/tiny`, with its preprocessing (resize 16 bicubic, crop 16, normalize) and its labels"
        in done.stderr + done.stdout
    )
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "tiny.onnx").metadata_props}
    assert json.loads(metadata["resdsl.labels"]) == ["cat", "dog", "hen"]
    resize, crop, normalize = json.loads(metadata["resdsl.preprocess"])
    assert (resize["size"], resize["interpolation"], crop["size"]) == (16, "bicubic", 16)
    assert normalize["mean"] == [0.5, 0.4, 0.3]
    assert json.loads(metadata["resdsl.weights"])["from"].startswith("hf:timm/tiny@0123456789abcdef")
