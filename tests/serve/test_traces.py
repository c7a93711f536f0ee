"""Spans of OpenTelemetry arrive at a collector, below those of the clients."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc  # type: ignore[import-untyped]
from receiver import Spans
from serving import Server

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
PARENT = "00f067aa0ba902b7"
SERVER = 2  # SpanKind of the protocol


def attributes(span: Any) -> dict[str, object]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


@pytest.mark.parametrize(("protocol", "trace"), [("http", "4bf92f3577b34da6a3ce929d0e0e4736"), ("grpc", "ab" * 16)])
def test_a_request_is_a_span_below_that_of_its_client(server: Server, spans: Spans, protocol: str, trace: str) -> None:
    headers = {"traceparent": f"00-{trace}-{PARENT}-01"}
    images = np.zeros((2, 3, 16, 16), np.float32)
    if protocol == "grpc":
        tensor = tritonclient.grpc.InferInput("image", list(images.shape), "FP32")
        tensor.set_data_from_numpy(images)
        with tritonclient.grpc.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as client:
            client.infer("net", [tensor], headers=headers)
    else:
        body = b'{"inputs": [{"name": "image", "shape": [2, 3, 16, 16], "datatype": "FP32", "data": %s}]}'
        request = urllib.request.Request(
            f"{server.url}/v2/models/net/infer", body % str(images.ravel().tolist()).encode(), headers
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            assert response.status == 200
    service, span = spans.until(lambda one: one.trace_id.hex() == trace)
    assert service == "cats" and span.parent_span_id.hex() == PARENT and span.kind == SERVER
    assert attributes(span) == {"resdsl.model": "net", "resdsl.version": 1, "resdsl.rows": 2}
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 60 * 10**9


def test_a_request_that_is_refused_is_a_span_with_the_reason(server: Server, spans: Spans) -> None:
    trace = "cd" * 16
    request = urllib.request.Request(
        f"{server.url}/v2/models/nosuch/infer", b"{}", {"traceparent": f"00-{trace}-{PARENT}-01"}
    )
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=30)
    error.value.close()
    _, span = spans.until(lambda one: one.trace_id.hex() == trace)
    assert "no model `nosuch`" in span.status.message and span.parent_span_id.hex() == PARENT
