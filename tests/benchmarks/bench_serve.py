"""Serving: requests of 1, 8 and 64 clients, against a bare FastAPI loop and against the bare session."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import quantiles

import numpy as np
import onnxruntime
from harness import Bench, Missing, Quantity, Row, Sample

import resdsl

_NETWORKS = {"resnet_cifar": 1000, "mobilenet_v2": 128}
"""Networks, and the requests of one run."""

_CLIENTS = (1, 8, 64)
_TICKS = os.sysconf("SC_CLK_TCK")


def run(bench: Bench) -> Iterable[Row]:
    """One row a request, as binary data, over HTTP; the clients are one process on the same cores."""
    if importlib.util.find_spec("fastapi") is None:
        raise Missing("needs fastapi, to compare with")
    for name, count in _NETWORKS.items():
        model = bench.folder / f"{name}.onnx"
        resdsl.compile(resdsl.load(name), model, optimize=1)
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        port, output = session.get_inputs()[0], session.get_outputs()[-1].name
        row = np.random.default_rng(0).standard_normal((1, *port.shape[1:])).astype(np.float32)
        with _server(bench, model) as ours, _loop(bench, model, 1) as theirs, _loop(bench, model, 0) as sleeping:
            body, headers = _message(port.name, output, row)
            for clients in _CLIENTS:
                asked = _Load(f"{ours.url}/v2/models/{name}/infer", body, headers, clients, count, ours.pid)
                bare = _Load(f"{theirs.url}/infer", row.tobytes(), {}, clients, count, theirs.pid)
                pairs = bench.pairs(asked, bare)
                what = f"{name}, {count} requests of {clients} clients"
                target = 1.0 if clients >= 8 else None
                yield pairs.row(f"{what}, time", by="wall", at_most=target, note="against the FastAPI loop")
                yield pairs.row(f"{what}, CPU of the server", by="cpu", note="against the FastAPI loop")
                yield from _latencies(what, asked, bare, "the FastAPI loop")
                other = _Load(f"{sleeping.url}/infer", row.tobytes(), {}, clients, count, sleeping.pid)
                pairs = bench.pairs(asked, other)
                yield pairs.row(f"{what}, time", by="wall", note="against the FastAPI loop without spinning")
                yield pairs.row(f"{what}, CPU", by="cpu", note="against the FastAPI loop without spinning")
                yield from _latencies(what, asked, other, "the FastAPI loop without spinning")

                alone = partial(_alone, session, {port.name: row}, output, clients, count)
                pairs = bench.pairs(asked, alone)
                yield pairs.row(f"{what}, time", by="wall", note="against the bare session in as many threads")


def _alone(
    session: onnxruntime.InferenceSession, row: dict[str, np.ndarray], output: str, clients: int, count: int
) -> None:
    """The same runs in this process, in so many threads."""
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda _: session.run([output], row), range(count)))


def _latencies(what: str, ours: _Load, theirs: _Load, name: str) -> Iterable[Row]:
    """Percentiles of all requests since the last call."""
    for percent in (50, 99):
        measured, against = (
            Quantity(quantiles(one.seconds, n=100, method="inclusive")[percent - 1], "s") for one in (ours, theirs)
        )
        yield Row(f"{what}, {percent}th percentile", measured, against, note=f"against {name}")
    ours.seconds.clear()
    theirs.seconds.clear()


class _Running:
    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid


class _Load:
    """Sends ``count`` requests, from so many clients at a time. The CPU of its sample is that of the server."""

    def __init__(self, url: str, body: bytes, headers: dict[str, str], clients: int, count: int, pid: int) -> None:
        self.seconds: list[float] = []
        self._url, self._body, self._headers = url, body, headers
        self._clients, self._count, self._pid = clients, count, pid

    def __call__(self) -> Sample:
        cpu, wall = _cpu(self._pid), time.perf_counter()
        asyncio.run(self._send())
        return Sample(time.perf_counter() - wall, _cpu(self._pid) - cpu)

    async def _send(self) -> None:
        import aiohttp

        left = iter(range(self._count))

        async def client(session: aiohttp.ClientSession) -> None:
            for _ in left:
                start = time.perf_counter()
                async with session.post(self._url, data=self._body, headers=self._headers) as response:
                    answer = await response.read()
                    assert response.status == 200, answer
                self.seconds.append(time.perf_counter() - start)

        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            await asyncio.gather(*(client(session) for _ in range(self._clients)))


def _cpu(pid: int) -> float:
    """Seconds of user and system time of a process, on Linux."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _message(name: str, output: str, row: np.ndarray) -> tuple[bytes, dict[str, str]]:
    """A request of the protocol with binary data."""
    data = row.tobytes()
    tensor = {"name": name, "shape": row.shape, "datatype": "FP32", "parameters": {"binary_data_size": len(data)}}
    wanted = {"name": output, "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [wanted]}).encode()
    return head + data, {"Inference-Header-Content-Length": str(len(head))}


@contextlib.contextmanager
def _server(bench: Bench, model: Path) -> Iterator[_Running]:
    options = ["--port", "0", "--no-grpc", "--json", "--device", "cpu"]
    command = [bench.python, "-m", "resdsl", "serve", model, *options]
    with _process(bench, command) as process:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            line = process.stdout.readline()
            assert line, "the server did not start"
            text += line
        yield _Running(json.loads(text)["url"], process.pid)


@contextlib.contextmanager
def _loop(bench: Bench, model: Path, spinning: int) -> Iterator[_Running]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with _process(
        bench, [bench.python, Path(__file__).with_name("fastapi_loop.py"), model, str(port), str(spinning)]
    ) as process:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.1)
        yield _Running(f"http://127.0.0.1:{port}", process.pid)


@contextlib.contextmanager
def _process(bench: Bench, command: list[str | Path]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, env=dict(bench.environment), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
