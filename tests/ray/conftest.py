"""Clusters of Ray with two machines, which are processes here."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import resdsl

NETWORK = """
model net(classes = 7) {
  input image: f32[N, 3, 32, 32]
  preprocess { resize(36); crop(32); normalize(mean = [0.5], std = [0.25]) }
  conv1: conv(16, 3x3);  relu
  conv2: conv(32, 3x3, stride = 2);  relu
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""
IMAGES = 203


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    resdsl.compile(resdsl.loads(NETWORK), path, seed=1)
    return path


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of scikit-image, cut and resized in many ways; some files are none."""
    data = pytest.importorskip("skimage.data")
    originals = [Image.fromarray(getattr(data, name)()) for name in ("astronaut", "chelsea", "coffee", "rocket")]
    folder = tmp_path_factory.mktemp("data") / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(IMAGES):
        original = originals[number % len(originals)]
        left, top = (int(random.integers(0, side // 2)) for side in original.size)
        part = original.crop((left, top, left + original.width // 2, top + original.height // 2))
        part.resize((48 + number % 17, 40 + number % 13)).save(folder / f"{number:04}.jpg", quality=90)
    for number in (5, 6, 77):
        (folder / f"{number:04}.jpg").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="session")
def client_port() -> int:
    """The port at which the cluster takes clients from outside of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def address(client_port: int) -> Iterator[str]:
    """The address of a cluster of two raylets, one CPU each, which this process is connected to."""
    pytest.importorskip("ray.data", reason="tests/with_ray.sh installs Ray")
    from resdsl.ray.cluster import require_ray

    ray = require_ray()  # sets what Ray prints
    from ray.cluster_utils import Cluster

    os.environ.setdefault("PYTHONPATH", str(Path(resdsl.__file__).parents[1]))
    # By default Ray's workers give way to all else that the machine does.
    os.environ.setdefault("RAY_worker_niceness", "0")
    cluster = started(Cluster, ray_client_server_port=client_port)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="session")
def cluster(address: str) -> str:
    """The same, where ``address`` is the name of something else."""
    return address


def started(kind: Any, **head: Any) -> Any:
    """A cluster, tried a few times: Ray waits 30 s for a raylet, which is not enough on a machine with other work."""
    for tries in range(5):
        cluster = kind()
        try:
            cluster.add_node(num_cpus=1, include_dashboard=False, **head)
            cluster.add_node(num_cpus=1)
        except Exception:
            cluster.shutdown()
            if tries == 4:
                raise
        else:
            return cluster
    raise AssertionError("the last try returns or raises")
