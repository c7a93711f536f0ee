"""What can be seen of a running server: metrics for Prometheus, and one line of the log for each event."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from resdsl.tools.serve.batcher import Ran
from resdsl.tools.serve.errors import Reason, Refusal
from resdsl.tools.serve.options import LogFormat
from resdsl.untrusted import visible

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Log:
    """Events on standard error.

    On a descriptor of its own: while a model is loaded, what is printed is collected for its diagnostics.
    """

    def __init__(self, form: LogFormat) -> None:
        self._form = form
        try:
            self._descriptor = os.dup(2)
        except OSError:
            self._descriptor = -1  # there is no standard error stream

    def write(self, event: str, *, level: str = "info", **facts: object) -> None:
        """One line; facts that are ``None`` are left out."""
        known = {name: value for name, value in facts.items() if value is not None}
        now = datetime.now(UTC)
        if self._form is LogFormat.JSON:
            line = json.dumps({"time": now.isoformat(timespec="milliseconds"), "level": level, "event": event, **known})
        else:
            words = " ".join(f"{name}={value}" for name, value in known.items())
            line = visible(f"{now:%H:%M:%S} {event} {words}".replace("\n", " "))
        with contextlib.suppress(OSError):  # the reader of the log has closed it
            os.write(self._descriptor, f"{line}\n".encode(errors="backslashreplace"))

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(slots=True)
class Record:
    """One request, filled in as it is answered. ``model`` is set once it is known: its name is no text of a client."""

    model: str = ""
    version: int | None = None
    rows: int | None = None
    status: int = 200


class Observer:
    """Counts, measures and logs."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "resdsl_requests",
            "Requests by their status in HTTP",
            ["model", "version", "protocol", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "resdsl_request_seconds",
            "Time of a request in the server",
            ["model", "protocol"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._pending = Gauge("resdsl_requests_pending", "Requests being answered", registry=self._registry)
        self._queued = Histogram(
            "resdsl_queue_seconds",
            "Time of a request in the queue",
            ["model"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._ran = Histogram(
            "resdsl_run_seconds", "Time of a batch in the model", ["model"], buckets=_SECONDS, registry=self._registry
        )
        self._rows = Histogram(
            "resdsl_batch_rows", "Rows of a batch", ["model"], buckets=_ROWS, registry=self._registry
        )
        self._changes = Counter(
            "resdsl_model_changes", "Versions loaded, failed and retired", ["model", "change"], registry=self._registry
        )
        self._version = Gauge(
            "resdsl_model_version", "Newest version that is served", ["model"], registry=self._registry
        )

    def metrics(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def ran(self, model: str, batch: Ran) -> None:
        """A batch of a model ran."""
        self._ran.labels(model).observe(batch.seconds)
        self._rows.labels(model).observe(batch.rows)
        queued = self._queued.labels(model)
        for seconds in batch.waited:
            queued.observe(seconds)

    def changed(self, change: str, model: str, version: int, error: Exception | None) -> None:
        """A version was ``loaded`` or ``retired``, or ``failed`` to load."""
        self._changes.labels(model, change).inc()
        if change == "loaded":
            self._version.labels(model).set(version)
        self.log.write(
            f"model {change}",
            level="error" if error else "info",
            model=model,
            version=version,
            error=None if error is None else str(error),
        )

    @contextmanager
    def request(self, protocol: str, kind: str) -> Iterator[Record]:
        """Observe the request that the block answers; ``kind`` is what it asks for."""
        record, start = Record(), time.perf_counter()
        error: str | None = None
        self._pending.inc()
        try:
            yield record
        except Refusal as refusal:
            record.status, error = refusal.reason.http, refusal.message
            raise
        except BaseException as unexpected:
            record.status, error = Reason.BUG.http, type(unexpected).__name__
            raise
        finally:
            seconds = time.perf_counter() - start
            self._pending.dec()
            version = "" if record.version is None else str(record.version)
            self._requests.labels(record.model, version, protocol, str(record.status)).inc()
            self._seconds.labels(record.model, protocol).observe(seconds)
            self.log.write(
                kind,
                level="info" if record.status < 500 else "error",
                protocol=protocol,
                model=record.model or None,
                version=record.version,
                rows=record.rows,
                status=record.status,
                ms=round(seconds * 1000, 2),
                error=error,
            )
