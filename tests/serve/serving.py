"""A server in a process of its own, as users start it, on free ports of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import resdsl

NETWORK = """\
model net(classes = 3) {
  input image: f32[N, 3, 16, 16]
  preprocess { resize(20); crop(16); normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25]) }
  labels ["cat", "small dog", "Ärmel"]
  conv1: conv(4, 3x3);  bn1: bn;  relu1: relu
  avgpool(global)
  flatten
  fc: linear(classes)
  output logits
}
"""
SECONDS = 60


@dataclass
class Server:
    process: subprocess.Popen[str]
    url: str
    grpc_port: int
    log: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Host and port, as clients of the protocol take them."""
        return self.url.partition("://")[2]

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def events(self) -> list[dict[str, object]]:
        """The log so far. Every line of it has to be JSON."""
        return [json.loads(line) for line in self.log]

    def stop(self) -> int:
        """Ask it to end, and give its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


@contextlib.contextmanager
def serving(*arguments: str | Path, environment: Mapping[str, str] = MappingProxyType({})) -> Iterator[Server]:
    command = [sys.executable, "-m", "resdsl", "serve", *map(str, arguments), "--port", "0", "--grpc-port", "0"]
    process = subprocess.Popen(
        [*command, "--log", "json", "--json", "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        env={**os.environ, **environment},
    )
    assert process.stdout is not None and process.stderr is not None
    log: list[str] = []
    reader = threading.Thread(target=log.extend, args=(process.stderr,))
    reader.start()
    try:
        line = process.stdout.readline()
        assert line, process.wait(SECONDS) or log
        while not line.rstrip().endswith("}"):
            line += process.stdout.readline()
        started = json.loads(line)
        yield Server(process, started["url"], started["grpc_port"], log)
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()
        process.stderr.close()


def compiled(folder: Path, *, seed: int, network: str = NETWORK) -> Path:
    file = folder / "net.onnx"
    resdsl.compile(resdsl.loads(network), file, seed=seed)
    return file
