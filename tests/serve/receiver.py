"""A collector of OpenTelemetry on loopback, which keeps what it is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

SECONDS = 30


class Spans(trace_service_pb2_grpc.TraceServiceServicer):
    """``(name of the service, span)`` of each span that has arrived."""

    def __init__(self) -> None:
        self.received: list[tuple[str, Any]] = []
        self.port = 0
        self._arrived = threading.Condition()

    @property
    def environment(self) -> dict[str, str]:
        """What a server needs to export to here, soon after each request."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "OTEL_SERVICE_NAME": "cats",
            "OTEL_BSP_SCHEDULE_DELAY": "20",
        }

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        with self._arrived:
            for resource in request.resource_spans:
                named = {one.key: one.value.string_value for one in resource.resource.attributes}
                for scope in resource.scope_spans:
                    self.received += [(named["service.name"], span) for span in scope.spans]
            self._arrived.notify_all()
        return trace_service_pb2.ExportTraceServiceResponse()

    def until(self, fits: Callable[[Any], bool]) -> tuple[str, Any]:
        """The first that fits, once it has arrived."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: any(fits(span) for _, span in self.received), SECONDS)
            return next(one for one in self.received if fits(one[1]))


@contextmanager
def receiving() -> Iterator[Spans]:
    spans = Spans()
    server = grpc.server(ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(spans, server)
    spans.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield spans
    finally:
        server.stop(None).wait()
