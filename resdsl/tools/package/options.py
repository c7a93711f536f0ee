"""How a model is to be served: one object for the command line, the Python API and the templates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Platform(StrEnum):
    """What the package is for."""

    TRITON = "triton"
    KSERVE = "kserve"
    DOCKER = "docker"


class Accelerator(StrEnum):
    """What the server runs the model on. ``AUTO`` is a GPU where the server has one."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"


NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
"""The name of a model in requests: it is also that of a folder, and a part of an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """``name`` of the model for clients; by default it is the network's.

    Requests that arrive within ``max_delay_ms`` of each other run as one batch of at most ``max_batch`` images.
    ``threads`` are CPU threads of each of the ``instances``; ``None`` is all of the server's. ``storage`` is the
    address from which KServe fetches the package (``s3://models/resnet``, ``pvc://claim/path``). ``replicas`` are the
    least and the most servers of KServe. ``wheel`` is a wheel of resdsl for an image; ``None`` is this version of it
    from the package index.

    Raises ``ValueError`` for values out of range.
    """

    name: str | None = None
    version: int = 1
    accelerator: Accelerator = Accelerator.AUTO
    instances: int = 1
    threads: int | None = None
    max_batch: int = 32
    max_delay_ms: float = 2.0
    storage: str | None = None
    replicas: tuple[int, int] = (1, 4)
    wheel: Path | None = None

    def __post_init__(self) -> None:
        # Python callers may pass plain strings.
        object.__setattr__(self, "accelerator", Accelerator(self.accelerator))
        if self.name is not None and not NAME.fullmatch(self.name):
            raise ValueError(f"`{self.name}` is not letters, digits, `_`, `.` and `-`, at most 63 of them")
        for field, least, most in (
            (self.version, 1, 2**31 - 1),
            (self.instances, 1, 1024),
            (self.threads or 1, 1, 4096),
            (self.max_batch, 1, 65536),
            (self.max_delay_ms, 0, 60_000),
            (self.replicas[0], 0, self.replicas[1]),
            (self.replicas[1], 1, 10_000),
        ):
            if not least <= field <= most:
                raise ValueError(f"{field} is not from {least} to {most}")
