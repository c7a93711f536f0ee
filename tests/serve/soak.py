"""Load with everything that goes wrong at once: ``python tests/serve/soak.py [--seconds 120]``.

Good clients send tensors (HTTP and gRPC) and photos without a pause. Meanwhile versions are swapped, the server is
replaced by another one (SIGTERM), and bad clients send bodies that are too large, broken, slow or never complete, leave
in the middle, and do not read their answers. A second server of the same models is killed again and again; its clients
ask the first when the connection ends, as balancers do. Every good request has to be answered with the result of the
version that the answer names, every bad one with its status, and memory has to stay flat. Exits with 1 if not.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import aiohttp
import numpy as np
import onnxruntime
import tritonclient.grpc.aio  # type: ignore[import-untyped]
from PIL import Image
from serving import compiled
from skimage import data

import resdsl

MOST_BODY = 1_000_000
OPTIONS = ["--max-body", str(MOST_BODY), "--timeout", "5", "--max-queue", "64", "--poll", "0.2"]
IMAGE = np.random.default_rng(0).standard_normal((1, 3, 16, 16), dtype=np.float32)


class Server:
    """A server process; ``memory`` has its resident bytes, about each second."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, grpc_port: int) -> None:
        self.process = process
        self.url = url
        self.grpc_port = grpc_port
        self.memory: list[int] = []

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def measure(self) -> None:
        with contextlib.suppress(OSError):
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
            self.memory.append(pages * 4096)


async def started(models: Path) -> Server:
    command = [sys.executable, "-m", "resdsl", "serve", str(models), "--port", "0", "--grpc-port", "0", "--json"]
    process = await asyncio.create_subprocess_exec(
        *command, *OPTIONS, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    text = b""
    while not text.rstrip().endswith(b"}"):
        line = await process.stdout.readline()
        assert line, "the server did not start"
        text += line
    facts = json.loads(text)
    return Server(process, facts["url"], facts["grpc_port"])


class Soak:
    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.models = folder / "models"
        self.end = time.monotonic() + seconds
        self.seconds = seconds
        self.counts: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.wrong: list[str] = []
        # A server does not start while the newest version is broken.
        self.breaking = asyncio.Lock()
        self.expected: dict[str, np.ndarray] = {}
        self.server: Server
        self.replica: Server
        self.session: aiohttp.ClientSession

    @property
    def on(self) -> bool:
        return time.monotonic() < self.end

    def add_version(self, version: int) -> None:
        folder = self.folder / f"made-{version}"
        folder.mkdir()
        file = compiled(folder, seed=version % 5)
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        self.expected[str(version)] = session.run(["logits"], {"image": IMAGE})[0]
        resdsl.package(file, "triton", self.models, serving=resdsl.Serving(version=version))
        shutil.rmtree(folder)

    def check(self, kind: str, version: str, values: np.ndarray) -> None:
        self.counts[kind] += 1
        if not np.allclose(values, self.expected[version], atol=1e-5):
            self.wrong.append(f"{kind}: not the answer of version {version}")

    async def tensors(self) -> None:
        start = time.perf_counter()
        await self._ask(self.server, "tensor")
        self.latencies.append(time.perf_counter() - start)

    async def balanced(self) -> None:
        """A request to the server that is killed, or, if it does not answer, to the other one."""
        try:
            await self._ask(self.replica, "tensor, replica")
        except aiohttp.ClientConnectionError:
            await self._ask(self.server, "tensor, retried")

    async def _ask(self, server: Server, kind: str) -> None:
        raw = IMAGE.tobytes()
        tensor = {"name": "image", "shape": IMAGE.shape, "datatype": "FP32"}
        head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": len(raw)}}]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        async with self.session.post(f"{server.url}/v2/models/net/infer", data=head + raw, headers=headers) as response:
            answer = await response.json()
        assert response.status == 200, answer
        values = np.array(answer["outputs"][0]["data"], np.float32).reshape(answer["outputs"][0]["shape"])
        self.check(kind, answer["model_version"], values)

    async def photos(self) -> None:
        async with self.session.post(f"{self.server.url}/predict", data=_PHOTO) as response:
            answer = await response.json()
        assert response.status == 200 and len(answer["classes"]) == 3, answer
        self.counts["photo"] += 1

    async def grpc(self) -> None:
        module, server = tritonclient.grpc.aio, self.server
        async with module.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
            tensor = module.InferInput("image", list(IMAGE.shape), "FP32")
            tensor.set_data_from_numpy(IMAGE)
            while self.on and server is self.server:
                result = await client.infer("net", [tensor])
                self.check("grpc", result.get_response().model_version, result.as_numpy("logits"))

    async def refused(self, path: str, body: bytes, status: int, kind: str) -> None:
        async with self.session.post(f"{self.server.url}{path}", data=body) as response:
            await response.read()
        assert response.status == status, response.status
        self.counts[kind] += 1
        await asyncio.sleep(0.05)

    async def slow(self) -> None:
        """A body that comes a byte at a time, and never ends in time."""
        async with self._connection("/predict", 1000) as (reader, writer):
            reading = asyncio.create_task(reader.read(100))
            while not reading.done():
                writer.write(b"x")
                await asyncio.sleep(0.2)
            assert b" 504 " in await reading, reading.result()
            self.counts["slow, 504"] += 1

    async def leaves(self) -> None:
        """A client that leaves in the middle of its body."""
        async with self._connection("/predict", 1000) as (_, writer):
            writer.write(b"x" * 100)
            await writer.drain()
        self.counts["left"] += 1
        await asyncio.sleep(0.05)

    async def deaf(self) -> None:
        """A client that asks many times and reads nothing."""
        async with self._connection("/metrics", 0, method="GET") as (_, writer):
            with contextlib.suppress(OSError):
                for _ in range(200):
                    writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await asyncio.wait_for(writer.drain(), 5)
            await asyncio.sleep(2)
        self.counts["deaf"] += 1

    @contextlib.asynccontextmanager
    async def _connection(
        self, path: str, length: int, method: str = "POST"
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode())
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def repeat(self, act: Callable[[], Awaitable[None]], *, good: bool) -> None:
        while self.on:
            server = self.server
            try:
                await act()
            except Exception as error:
                # A bad client may find that the server was replaced; a good one never notices.
                if good or server is self.server:
                    self.wrong.append(f"{getattr(act, '__name__', act)}: {error!r}")

    async def swap(self) -> None:
        version = 1
        while self.on:
            await asyncio.sleep(2)
            version += 1
            if version % 4 == 0:
                async with self.breaking:
                    broken = self.models / f"net/{version}"
                    broken.mkdir()
                    (broken / "model.onnx").write_bytes(b"broken")
                    await asyncio.sleep(1)
                    shutil.rmtree(broken)
                self.counts["broken version"] += 1
            else:
                await asyncio.to_thread(self.add_version, version)
                self.counts["new version"] += 1
                shutil.rmtree(self.models / f"net/{version - 2}", ignore_errors=True)

    async def replace(self) -> None:
        """Another server takes over, twice in the first third; the last one runs long enough to watch its memory."""
        for _ in range(2):
            await asyncio.sleep(self.seconds / 6)
            async with self.breaking:
                old, self.server = self.server, await started(self.models)
            await asyncio.sleep(0.5)
            old.process.send_signal(signal.SIGTERM)
            if status := await old.process.wait():
                self.wrong.append(f"SIGTERM: the server ended with {status}")
            self.counts["SIGTERM"] += 1
        while self.on:
            self.server.measure()
            await asyncio.sleep(1)

    async def kill(self) -> None:
        while self.on:
            await asyncio.sleep(10)
            self.replica.process.kill()
            await self.replica.process.wait()
            self.counts["killed"] += 1
            await asyncio.sleep(1)  # its clients ask the other
            async with self.breaking:
                self.replica = await started(self.models)
        self.replica.process.kill()

    async def run(self) -> None:
        self.add_version(1)
        self.server, self.replica = await started(self.models), await started(self.models)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as self.session:
            good = [self.tensors] * 8 + [self.photos] * 4 + [self.grpc] * 2 + [self.balanced] * 2
            large, broken = b"x" * (MOST_BODY + 1), _PHOTO[: len(_PHOTO) // 3]
            bad: list[Callable[[], Awaitable[None]]] = [
                lambda: self.refused("/predict", large, 413, "too large, 413"),
                lambda: self.refused("/predict", broken, 400, "broken photo, 400"),
                lambda: self.refused("/v2/models/net/infer", b'{"inputs": [{', 400, "broken JSON, 400"),
                self.slow,
                self.slow,
                self.leaves,
                self.deaf,
            ]
            await asyncio.gather(
                *(self.repeat(act, good=True) for act in good),
                *(self.repeat(act, good=False) for act in bad),
                self.swap(),
                self.replace(),
                self.kill(),
            )
        self.server.process.send_signal(signal.SIGTERM)
        if await self.server.process.wait():
            self.wrong.append("the last server did not end well")

    def report(self) -> int:
        for kind, count in sorted(self.counts.items()):
            print(f"{kind:20} {count:8,}")
        print(f"{'latency of tensors':20} p50 {1e3 * np.quantile(self.latencies, 0.5):.1f} ms, ", end="")
        print(f"p99 {1e3 * np.quantile(self.latencies, 0.99):.1f} ms")
        third = len(self.server.memory) // 3
        first, last = (median(part) / 2**20 for part in (self.server.memory[:third], self.server.memory[-third:]))
        print(f"{'memory':20} {first:.1f} MiB in the first third of {3 * third} s, {last:.1f} MiB in the last")
        if last > 1.1 * first:
            self.wrong.append(f"memory grew from {first:.1f} to {last:.1f} MiB")
        for line, count in Counter(self.wrong).most_common(20):
            print(f"WRONG: {line} ({count} times)")
        return int(bool(self.wrong))


def _photo() -> bytes:
    jpeg = io.BytesIO()
    Image.fromarray(data.coffee()).save(jpeg, "JPEG")
    return jpeg.getvalue()


_PHOTO = _photo()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    with TemporaryDirectory(prefix="resdsl-soak-") as folder:
        soak = Soak(Path(folder), parser.parse_args().seconds)
        asyncio.run(soak.run())
    return soak.report()


if __name__ == "__main__":
    sys.exit(main())
