"""Measurements on a real cluster of two raylets on this machine, too long for tests: rows, speed, memory, and kills.

    python -m tests.ray.measure rows 20000     # rows of a cluster are those of one process, byte for byte
    python -m tests.ray.measure speed 5        # images a second, one process and the cluster, interleaved
    python -m tests.ray.measure kills 50       # actors, other processes, raylets and drivers are killed while jobs run

Each prints what it found, and ends with status 1 where rows differ.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

import resdsl
from tests.ray.conftest import NETWORK, started

_PATIENCE = 900.0


def photographs(folder: Path, count: int, size: int = 64) -> Path:
    """Photographs of scikit-image, cut and resized in many ways; each hundredth file is none."""
    import skimage.data

    originals = [
        Image.fromarray(getattr(skimage.data, name)()) for name in ("astronaut", "chelsea", "coffee", "rocket")
    ]
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(count):
        path = folder / f"{number:06}.jpg"
        if number % 100 == 7:
            path.write_bytes(b"no image")
            continue
        original = originals[number % len(originals)]
        left, top = (int(chance.integers(0, side // 2)) for side in original.size)
        part = original.crop((left, top, left + original.width // 2, top + original.height // 2))
        part.resize((size + number % 17, size + number % 13)).save(path, quality=90)
    return folder


@contextmanager
def cluster_of_two() -> Iterator[Any]:
    from resdsl.ray.cluster import require_ray

    require_ray()
    from ray.cluster_utils import Cluster

    os.environ.setdefault("PYTHONPATH", str(Path(resdsl.__file__).parents[1]))
    # By default Ray's workers give way to all else that the machine does, one process of this script among it.
    os.environ.setdefault("RAY_worker_niceness", "0")
    cluster = started(Cluster)
    try:
        yield cluster
    finally:
        cluster.shutdown()


def predict(model: Path, images: Path, output: Path, *options: object) -> subprocess.Popen[bytes]:
    """A run of ``resdsl predict`` with one thread for each copy of the model."""
    command = [sys.executable, "-m", "resdsl", "predict", model, images, "--device", "cpu", "--threads", "1",
               "--format", "jsonl", "-o", output, *options]  # fmt: skip
    with _log(output).open("wb") as log:
        return subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=log)


def finished(run: subprocess.Popen[bytes], output: Path) -> None:
    """Wait for a run, whose images that cannot be read make its status 1."""
    run.wait(_PATIENCE)
    assert run.returncode in (0, 1), _log(output).read_text()


def _log(output: Path) -> Path:
    return output.with_name(f"{output.name}.log")


def joined(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("part-*.jsonl")))


def rows(work: Path, count: int) -> bool:
    """Compare the rows of many images, and watch the memory of the workers."""
    model = small(work)
    images = photographs(work / "photos", count)
    finished(predict(model, images, work / "rows.jsonl"), work / "rows.jsonl")
    with cluster_of_two() as cluster:
        run = predict(
            model, images, work / "rows.d", "--engine", "ray", "--address", cluster.address, "--partition", 256
        )
        copies: list[float] = []
        driver: list[float] = []
        while run.poll() is None:
            if _partitions(work / "rows.d"):  # before, the model and the libraries are being loaded
                copies.append(_mebibytes(actors()))
                driver.append(_mebibytes([psutil.Process(run.pid)]))
            time.sleep(0.5)
        finished(run, work / "rows.d")
    for name, sizes in (("copies of the model", copies), ("command", driver)):
        quarter = len(sizes) // 4 or 1
        first, last = max(sizes[:quarter], default=0), max(sizes[-quarter:], default=0)
        print(f"memory of the {name} in {len(sizes) / 2:.0f} s of work: ", end="")
        print(f"{first:.0f} MiB in the first quarter, {last:.0f} in the last")
    same = joined(work / "rows.d") == (work / "rows.jsonl").read_bytes()
    print(f"{count:,} images: rows are {'the same' if same else 'DIFFERENT'}")
    return same


def speed(work: Path, rounds: int, images: int = 600) -> bool:
    """Time ResNet-18 on photographs, by one process with two threads and by the cluster, interleaved.

    Both are measured between two moments of a run, when a fifth of the images and when all are done: starting, which
    takes a cluster longer, is a matter of how many images there are. On a machine with other work, wall time says
    how the system divides it among sessions; the CPU time of an image, of all processes of the cluster and the
    command, is what would be the time on cores of one's own.
    """
    model, photos = work / "resnet18.onnx", photographs(work / "photos", images, size=240)
    resdsl.compile(resdsl.load("resnet18"), model, seed=1)
    ratios: dict[str, list[float]] = {"images a second": [], "images a second of CPU time": []}
    with cluster_of_two() as cluster:
        engine = ("--engine", "ray", "--address", cluster.address, "--partition", str(_SMALL))
        for number in range(rounds):
            rates = {}
            for name, options in (("one process", ("--threads", "2")), ("cluster", engine)):
                output = work / f"{name}{number}"
                run = predict(model, photos, output, *options)
                rates[name] = _rates(run, output, images)
                finished(run, output)
            for (what, all_ratios), there, here in zip(
                ratios.items(), rates["cluster"], rates["one process"], strict=True
            ):
                all_ratios.append(there / here)
                print(f"{what}: one process {here:.1f}, cluster {there:.1f}, {there / here:.2f} times", flush=True)
    for what, all_ratios in ratios.items():
        print(f"{what}: median {sorted(all_ratios)[len(all_ratios) // 2]:.2f} of those of one process")
    return True


_SMALL = 24
"""Images in a partition whose number is a measure of time."""


def _rates(run: subprocess.Popen[bytes], output: Path, images: int) -> tuple[float, float]:
    """Images a second, and images a second of CPU time, after the first fifth."""
    before, now = 0, 0
    start, cpu, cpu_now = 0.0, {}, _cpu_seconds(run.pid)
    while run.poll() is None and now < images:
        partial = next(output.parent.glob(f"{output.name}.*.part"), output)
        now = _SMALL * _partitions(output) if output.is_dir() else _lines(partial)
        cpu_now = {**cpu_now, **_cpu_seconds(run.pid)}
        if not before and now >= images / 5:
            start, before, cpu = time.perf_counter(), now, dict(cpu_now)
        time.sleep(0.2)
    seconds = sum(after - cpu.get(pid, 0.0) for pid, after in cpu_now.items())
    return (images - before) / (time.perf_counter() - start), (images - before) / seconds


def _cpu_seconds(command: int) -> dict[int, float]:
    """By process: the command, and all of Ray."""
    found = {}
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            title = (one.cmdline() or [""])[0]
            if one.pid == command or title.startswith("ray::") or title.endswith(("/raylet", "/gcs_server")):
                times = one.cpu_times()
                found[one.pid] = times.user + times.system
    return found


def _lines(file: Path) -> int:
    try:
        return file.read_bytes().count(b"\n")
    except OSError:
        return 0


def actors() -> list[psutil.Process]:
    """The processes that have a copy of the model."""
    return [one for one in _of_ray() if "MapWorker" in " ".join(one.cmdline())]


def others() -> list[psutil.Process]:
    """Other processes that serve jobs: what Ray Data counts and plans with. The agents of machines are none of them."""
    return [one for one in _of_ray() if not any(word in " ".join(one.cmdline()) for word in ("MapWorker", "Agent"))]


def _of_ray() -> list[psutil.Process]:
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if one.username() and (one.cmdline() or [""])[0].startswith("ray::"):
                found.append(one)
    return found


def _mebibytes(processes: list[psutil.Process]) -> float:
    """What they have for themselves."""
    total = 0
    for one in processes:
        with contextlib.suppress(psutil.Error):
            total += one.memory_full_info().uss
    return total / 2**20


def _partitions(output: Path) -> int:
    return sum(1 for _ in output.glob("part-*"))


def kills(work: Path, wanted: int, seed: int = 0, images: int = 6_000) -> bool:
    """Kill something every few seconds while jobs run, until there were so many kills; each job has to be complete."""
    chance = random.Random(seed)
    model, photos = work / "model.onnx", photographs(work / "photos", images)
    resdsl.compile(resdsl.load("resnet_cifar"), model, seed=1)
    one_process = work / "expected.jsonl"
    finished(predict(model, photos, one_process), one_process)
    expected = one_process.read_bytes()
    counts: Counter[str] = Counter()
    jobs = done = in_work = 0
    with cluster_of_two() as cluster:
        machines = [node for node in cluster.list_all_nodes() if not node.head]
        while done < wanted:
            jobs += 1
            output = work / f"job{jobs}"
            options = ["--engine", "ray", "--address", cluster.address, "--partition", 40]
            run = predict(model, photos, output, *options)
            while not _ended(run, chance.uniform(2, 10)):
                kind = chance.choice(["actor", "process", "raylet", "driver"])
                found = {"actor": actors, "process": others}.get(kind, list)()
                if done == wanted or (kind in ("actor", "process") and not found):
                    continue
                at = _partitions(output)
                if kind == "raylet":
                    cluster.remove_node(machines.pop(), allow_graceful=False)
                    machines.append(cluster.add_node(num_cpus=1))
                elif kind == "driver":
                    run.kill()
                    run.wait()
                    run = predict(model, photos, output, *options, *_resume(output))
                else:
                    one = chance.choice(found)
                    with contextlib.suppress(psutil.Error):
                        kind = kind if kind == "actor" else one.cmdline()[0].removeprefix("ray::").strip()
                        one.send_signal(signal.SIGKILL)
                counts[kind] += 1
                done += 1
                in_work += at > 0
                print(f"  killed a {kind} at {at} partitions", flush=True)
            # Ray ends a driver whose own raylet is gone, and gives up where too many actors die before they work.
            while not _is_complete(output):
                counts["(resumed)"] += 1
                print(f"  resumed: {_log(output).read_text()[-300:]}", flush=True)
                run = predict(model, photos, output, *options, *_resume(output))
                run.wait(_PATIENCE)
            finished(run, output)
            if joined(output) != expected:
                print(f"job {jobs}: rows DIFFER\n{_log(output).read_text()}")
                return False
            print(f"job {jobs}: each image has its row; so far {dict(counts)}", flush=True)
    print(f"{done} kills in {jobs} jobs, {in_work} of them when partitions had been written")
    return True


def _resume(output: Path) -> list[str]:
    """A command that was killed before it began has nothing to resume."""
    return ["--resume"] if output.exists() else []


def _is_complete(output: Path) -> bool:
    run = output / "_run.json"
    return run.exists() and "images" in json.loads(run.read_text())


def _ended(run: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def small(work: Path) -> Path:
    model = work / "model.onnx"
    resdsl.compile(resdsl.loads(NETWORK), model, seed=1)
    return model


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        what = {"rows": rows, "speed": speed, "kills": kills}[sys.argv[1]]
        ok = what(Path(folder), *map(int, sys.argv[2:]))
    sys.exit(0 if ok else 1)
