"""How a server runs: one object for the command line and the Python API."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class LogFormat(StrEnum):
    """Lines of the log: for people, or one JSON object each."""

    TEXT = "text"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """Addresses, batching, limits and security of a server.

    ``port`` is for HTTP, ``grpc_port`` for gRPC (``None``: no gRPC); 0 is any free port. Requests that arrive within
    ``max_delay_ms`` of each other run as one batch of at most ``max_batch`` rows (``None``: 2 ms on a GPU; on CPUs
    requests do not wait). ``instances`` batches run at the same time (``None``: one on a GPU; on CPUs one on each, if
    the device states no threads). The newest ``versions`` of each model are served.

    ``max_body`` is in bytes, ``max_pixels`` is for one image, ``max_queue`` for the requests of a model that are not
    answered yet, and ``timeout`` for the seconds of one request. At the end the server stays reachable for
    ``drain_delay`` seconds while it says that it is not ready, then requests have ``drain`` seconds to end. Folders and
    files of models are looked at every ``poll`` seconds (0: only when a client asks for it).

    ``tls_certificate`` and ``tls_key`` are PEM files; ``token_file`` has one bearer token on each line. With ``traces``
    spans are exported as the variables ``OTEL_*`` of the environment say.

    Raises ``ValueError`` for values out of range.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    grpc_port: int | None = 8001
    max_batch: int = 32
    max_delay_ms: float | None = None
    instances: int | None = None
    versions: int = 1
    max_body: int = 32 * 2**20
    max_pixels: int = 50_000_000
    max_queue: int = 256
    timeout: float = 30.0
    drain: float = 30.0
    drain_delay: float = 1.0
    poll: float = 1.0
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    token_file: Path | None = None
    log_format: LogFormat = LogFormat.TEXT
    traces: bool = False

    def __post_init__(self) -> None:
        # Python callers may pass plain strings.
        object.__setattr__(self, "log_format", LogFormat(self.log_format))
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("TLS needs both a certificate and its key")
        for field, least, most in (
            (self.port, 0, 65535),
            (self.grpc_port or 0, 0, 65535),
            (self.max_batch, 1, 65536),
            (self.max_delay_ms or 0, 0, 60_000),
            (1 if self.instances is None else self.instances, 1, 1024),
            (self.versions, 1, 1024),
            (self.max_body, 1024, 2**31 - 1),
            (self.max_pixels, 1, 2**40),
            (self.max_queue, 1, 2**20),
            (self.timeout, 0.1, 86_400),
            (self.drain, 0, 86_400),
            (self.drain_delay, 0, 3600),
            (self.poll, 0, 86_400),
        ):
            if not least <= field <= most:
                raise ValueError(f"{field} is not from {least} to {most}")
