"""Processes and machines that end at any moment: every image has one row, and the right one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import resdsl

from .conftest import started

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

KILLS = int(os.environ.get("RESDSL_KILLS", "8"))
ROOT = Path(resdsl.__file__).parents[1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster of a head without CPUs, which runs the driver, and of two machines that may end."""
    pytest.importorskip("ray.data", reason="tests/with_ray.sh installs Ray")
    from ray.cluster_utils import Cluster

    made = started(Cluster)
    yield made
    made.shutdown()


def driver(address: str, model: Path, photos: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "resdsl", "predict", str(model), str(photos), "--engine", "ray"]
    arguments = ["--address", address, "--threads", "1", "--partition", "8", "-o", "rows", "--format", "jsonl"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, *arguments, *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )


def partitions() -> list[Path]:
    return sorted(Path("rows").glob("part-*.jsonl"))


def workers() -> list[int]:
    """The processes of this user that hold a session for a job."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if command.startswith(b"ray::MapWorker"):
                found.append(int(folder.name))
    return found


def kill(kind: str, process: subprocess.Popen[bytes], cluster: Any) -> None:
    if kind == "driver":
        process.kill()
    elif kind == "raylet":
        cluster.remove_node(cluster.list_all_nodes[-1], allow_graceful=False)
        cluster.add_node(num_cpus=1)
    else:
        for pid in workers()[:1]:
            os.kill(pid, signal.SIGKILL if kind == "process" else signal.SIGTERM)


@pytest.mark.parametrize("seed", range(KILLS))
def test_every_image_has_one_row(
    seed: int, cluster: Any, model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    resdsl.predict_to("local.jsonl", model, photos, device="cpu", threads=1)
    chance = random.Random(seed)
    kind = ("driver", "process", "raylet", "actor")[seed % 4]
    process = driver(cluster.address, model, photos)
    wanted = chance.randint(0, 20)
    limit = time.monotonic() + 300
    while len(partitions()) < wanted and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    time.sleep(chance.random())
    kill(kind, process, cluster)
    tries = 0
    # Status 1: some of the images are none, which is what the rows say.
    while process.wait(300) != 1 and tries < 5:
        tries += 1
        process = driver(cluster.address, model, photos, "--resume")
    assert process.returncode == 1, process.stderr and process.stderr.read()
    assert b"".join(path.read_bytes() for path in partitions()) == Path("local.jsonl").read_bytes()
    assert not Path("rows/_temporary").exists()
