"""New versions take over and servers end without a lost request."""

from __future__ import annotations

import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tritonclient.http  # type: ignore[import-untyped]
from serving import SECONDS, Server, compiled, serving

import resdsl

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be asked to end there"),
]
IMAGE = np.random.default_rng(0).standard_normal((1, 3, 16, 16), dtype=np.float32)
CLIENTS = 4

Seen = list[tuple[str, bytes]]
"""The versions that answered, with their answers."""


def logits(model: Path) -> bytes:
    (values,) = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"image": IMAGE})
    return bytes(values.tobytes())


@contextmanager
def clients(server: Server, more: Callable[[], bool]) -> Iterator[Seen]:
    """Clients that ask one request after the other while ``more()``. A request that fails, fails the test."""
    seen: Seen = []
    errors: list[Exception] = []

    def ask() -> None:
        tensor = tritonclient.http.InferInput("image", list(IMAGE.shape), "FP32")
        tensor.set_data_from_numpy(IMAGE)
        try:
            with tritonclient.http.InferenceServerClient(server.address) as client:
                while more():
                    result = client.infer("net", [tensor])
                    seen.append((result.get_response()["model_version"], result.as_numpy("logits").tobytes()))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    yield seen
    for thread in threads:
        thread.join(SECONDS)
    assert not errors, errors


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def ready(server: Server) -> bool:
    try:
        with urllib.request.urlopen(f"{server.url}/v2/health/ready", timeout=30):
            return True
    except urllib.error.HTTPError as error:
        with error:
            return False


def test_a_new_version_takes_over_and_the_end_loses_nothing(tmp_path: Path) -> None:
    models = tmp_path / "models"
    first, second = (compiled(made_folder(tmp_path / str(seed)), seed=seed) for seed in (1, 2))
    resdsl.package(first, "triton", models)
    stop = threading.Event()
    with serving(models, "--poll", "0.05") as server:
        with clients(server, lambda: not stop.is_set()) as seen:
            until(lambda: len(seen) > 20)
            # A version that cannot be loaded changes nothing.
            broken = models / "net/2"
            broken.mkdir()
            (broken / "model.onnx").write_bytes(first.read_bytes()[:1000])
            until(lambda: any(one["event"] == "model failed" for one in server.events()))
            shutil.rmtree(broken)
            resdsl.package(second, "triton", models, serving=resdsl.Serving(version=3))
            until(lambda: "3" in {version for version, _ in seen})
            stop.set()
        versions = [version for version, _ in seen]
        assert set(versions) == {"1", "3"}
        assert set(seen) == {("1", logits(first)), ("3", logits(second))}
        until(lambda: any(one["event"] == "model retired" and one["version"] == 1 for one in server.events()))

        # Clients leave, as balancers do, when the server says that it is not ready.
        asked = threading.Event()
        with clients(server, lambda: not asked.is_set() or ready(server)) as seen:
            until(lambda: len(seen) > 20)
            before = len(seen)
            server.process.terminate()
            until(lambda: len(seen) > before)
            asked.set()
        assert server.process.wait(SECONDS) == 0
        assert set(seen) == {("3", logits(second))}
    answered = sum(one["event"] == "infer" and one["status"] == 200 for one in server.events())
    assert answered == len(versions) + len(seen)
    assert [one["event"] for one in server.events()][-1] == "stopped"


def made_folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_file_that_is_replaced_is_the_next_version_on_request(tmp_path: Path) -> None:
    file, other = compiled(made_folder(tmp_path / "a"), seed=1), compiled(made_folder(tmp_path / "b"), seed=2)
    wanted = logits(other)
    with serving(file, "--poll", "0", "--no-grpc") as server:
        with tritonclient.http.InferenceServerClient(server.address) as client:
            other.replace(file)
            assert client.get_model_metadata("net")["versions"] == ["1"]
            client.load_model("net")
            assert client.get_model_metadata("net")["versions"] == ["2"]
            tensor = tritonclient.http.InferInput("image", list(IMAGE.shape), "FP32")
            tensor.set_data_from_numpy(IMAGE)
            assert client.infer("net", [tensor]).as_numpy("logits").tobytes() == wanted
        assert server.stop() == 0
