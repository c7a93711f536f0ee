"""Triton's own client speaks to the server as to Triton; its answers are those of the model."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
import tritonclient.grpc  # type: ignore[import-untyped]
import tritonclient.http  # type: ignore[import-untyped]
from serving import Server
from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]

import resdsl

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
IMAGES = np.random.default_rng(0).standard_normal((5, 3, 16, 16), dtype=np.float32)


@pytest.fixture(scope="module")
def expected(model: Path) -> Any:
    (values,) = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"image": IMAGES})
    return values


@pytest.fixture(params=["http", "grpc"])
def client(request: pytest.FixtureRequest, server: Server) -> Iterator[tuple[ModuleType, Any]]:
    module = getattr(tritonclient, request.param)
    address = server.address if request.param == "http" else f"127.0.0.1:{server.grpc_port}"
    with module.InferenceServerClient(address) as made:
        yield module, made


def tensor(module: ModuleType, values: Any = IMAGES, name: str = "image", **options: bool) -> Any:
    made = module.InferInput(name, list(values.shape), "FP32")
    made.set_data_from_numpy(values, **options)
    return made


def post(server: Server, path: str, body: bytes, **headers: str) -> tuple[int, Any, Any]:
    request = urllib.request.Request(f"{server.url}{path}", body, {k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.loads(response.read()), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), error.headers


def test_the_client_finds_the_server_and_its_models(client: tuple[ModuleType, Any]) -> None:
    _, made = client
    assert made.is_server_live() and made.is_server_ready()
    assert made.is_model_ready("net") and made.is_model_ready("net", "1") and made.is_model_ready("other")
    assert not made.is_model_ready("net", "2") and not made.is_model_ready("nosuch")


def test_the_client_gets_what_it_sends_through_the_model(client: tuple[ModuleType, Any], expected: Any) -> None:
    module, made = client
    result = made.infer("net", [tensor(module)], request_id="r1")
    assert result.as_numpy("logits").tobytes() == expected.tobytes()
    response = result.get_response()
    identity = response["id"] if isinstance(response, dict) else response.id
    assert identity == "r1"
    assert made.infer("other", [tensor(module)], model_version="1").as_numpy("logits").tobytes() == expected.tobytes()


def test_numbers_in_json_are_the_same_as_binary_data(server: Server, expected: Any) -> None:
    module = tritonclient.http
    with module.InferenceServerClient(server.address) as made:
        wanted = [module.InferRequestedOutput("logits", binary_data=False)]
        result = made.infer("net", [tensor(module, binary_data=False)], outputs=wanted)
    assert result.as_numpy("logits").tobytes() == expected.tobytes()


def test_typed_contents_of_grpc_are_the_same_as_raw_ones(server: Server, expected: Any) -> None:
    import grpc
    from tritonclient.grpc import service_pb2, service_pb2_grpc  # type: ignore[import-untyped]

    request = service_pb2.ModelInferRequest(model_name="net")
    given = request.inputs.add(name="image", datatype="FP32", shape=IMAGES.shape)
    given.contents.fp32_contents.extend(IMAGES.ravel().tolist())
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        response = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    assert response.raw_output_contents[0] == expected.tobytes()


def test_metadata_says_what_the_file_says(client: tuple[ModuleType, Any], model: Path) -> None:
    _, made = client
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    metadata, config = made.get_model_metadata("net"), made.get_model_config("net")
    if not isinstance(metadata, dict):
        metadata, config = (
            made.get_model_metadata("net", as_json=True),
            made.get_model_config("net", as_json=True)["config"],
        )
    assert metadata["versions"] == ["1"]
    for ports, nodes, sizes in (
        (metadata["inputs"], session.get_inputs(), [-1, 3, 16, 16]),
        (metadata["outputs"], session.get_outputs(), [-1, 3]),
    ):
        (port,), (node,) = ports, nodes
        assert port["name"] == node.name and port["datatype"] == "FP32" and list(map(int, port["shape"])) == sizes
    assert config["max_batch_size"] == 32 and list(map(int, config["input"][0]["dims"])) == [3, 16, 16]


def test_classes_have_the_form_of_triton(client: tuple[ModuleType, Any], expected: Any) -> None:
    module, made = client
    wanted = [module.InferRequestedOutput("logits", class_count=2)]
    rows = made.infer("net", [tensor(module)], outputs=wanted).as_numpy("logits")
    labels = ["cat", "small dog", "Ärmel"]
    for row, values in zip(rows, expected, strict=True):
        best = np.argsort(-values)[:2]
        assert [one.decode() for one in row] == [f"{values[index]:f}:{index}:{labels[index]}" for index in best]


def test_the_stream_of_grpc_answers_every_request(server: Server, expected: Any) -> None:
    module, results = tritonclient.grpc, []
    with module.InferenceServerClient(f"127.0.0.1:{server.grpc_port}") as made:
        made.start_stream(lambda result, error: results.append(error or result))
        made.async_stream_infer("net", [tensor(module)])
        made.async_stream_infer("nosuch", [tensor(module)])
        made.stop_stream()
    assert results[0].as_numpy("logits").tobytes() == expected.tobytes()
    assert isinstance(results[1], InferenceServerException) and "no model `nosuch`" in results[1].message()


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("nosuch", IMAGES, "has no input `nosuch`"),
        ("image", IMAGES[:, :2], "[5, 2, 16, 16]"),
        ("image", IMAGES[:0], "the batch is empty"),
        ("image", np.zeros((33, 3, 16, 16), np.float32), "the limit is 32"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    client: tuple[ModuleType, Any], name: str, values: Any, said: str
) -> None:
    module, made = client
    with pytest.raises(InferenceServerException) as error:
        made.infer("net", [tensor(module, values, name)])
    assert said in error.value.message() and error.value.status() in ("400", "StatusCode.INVALID_ARGUMENT")


def test_a_photo_has_the_classes_of_predict_bit_for_bit(server: Server, model: Path, photos: list[Path]) -> None:
    for photo, wanted in zip(photos, resdsl.predict(model, photos, device="cpu", batch_size=1), strict=True):
        assert isinstance(wanted, resdsl.Prediction)
        status, answer, _ = post(server, "/v2/models/net/predict?top=2", photo.read_bytes())
        assert status == 200 and answer["model"] == "net" and answer["version"] == "1"
        got = [(one["index"], one["label"], one["probability"]) for one in answer["classes"]]
        assert got == [(one.index, one.label, one.probability) for one in wanted.classes[:2]]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/predict", b"", 400, "2 models"),
        ("/predict?model=net", b"no image", 400, "not an image"),
        ("/predict?model=net", b"\xff\xd8\xff\xe0 broken", 400, ""),
        ("/predict?model=net&top=x", b"", 400, "`top`"),
        ("/v2/models/nosuch/predict", b"", 404, "there is no model `nosuch`"),
        ("/v2/models/net/versions/7/predict", b"", 404, "no version `7`"),
        ("/v2/models/net/infer", b"{", 400, "not JSON"),
        ("/v2/models/net/infer", b"[" * 100_000, 400, "not JSON"),
        ("/v2/models/net/infer", b'"x"', 400, "not an object"),
        ("/v2/models/net/infer", b"{}", 400, "`inputs`"),
        ("/v2/models/net/infer", b'{"inputs": [{"name": "image", "datatype": "FP32", "shape": [-1]}]}', 400, "shape"),
        (
            "/v2/models/net/infer",
            b'{"inputs": [{"name": "image", "datatype": "FP32", "shape": [2], "data": [1, "x"]}]}',
            400,
            "not FP32",
        ),
        (
            "/v2/models/net/infer",
            b'{"inputs": [{"name": "image", "datatype": "FP32", "shape": [9, 9999999999999], "data": [1]}]}',
            400,
            "1 values",
        ),
        ("/v2/models/net/infer", b'{"inputs": [{"name": "image", "datatype": "Q8", "shape": [1]}]}', 400, "`Q8`"),
        ("/nosuch", b"", 404, "nothing at this address"),
    ],
)
def test_a_broken_request_is_answered_with_what_is_wrong(
    server: Server, path: str, body: bytes, status: int, said: str
) -> None:
    got, answer, _ = post(server, path, body)
    assert got == status and said in answer["error"], answer


def test_other_sites_cannot_reach_it_through_a_name_of_their_own(server: Server) -> None:
    request = urllib.request.Request(f"{server.url}/v2/health/live", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request)
    with error.value:
        assert error.value.code == 400


def test_the_page_loads_nothing_from_elsewhere(server: Server) -> None:
    with urllib.request.urlopen(f"{server.url}/") as response:
        page, policy = response.read().decode(), response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert "http:" not in page and "https:" not in page and " src=" not in page


def test_an_answer_is_sent_in_one_piece(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        for last in (b"", b"Connection: close\r\n"):
            connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % last)
            assert connection.recv(10_000).endswith(b'{"live":true}')
        assert not connection.recv(1)


def test_metrics_count_requests_and_batches(server: Server) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    def samples() -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        with urllib.request.urlopen(f"{server.url}/metrics") as response:
            families = list(text_string_to_metric_families(response.read().decode()))
        return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}

    labels = {"model": "net", "version": "1", "protocol": "http", "status": "200"}
    answered = ("resdsl_requests_total", frozenset(labels.items()))
    rows = ("resdsl_batch_rows_sum", frozenset({("model", "net")}))
    before = samples()
    with tritonclient.http.InferenceServerClient(server.address) as made:
        made.infer("net", [tensor(tritonclient.http)])
    after = samples()
    assert after[answered] == before.get(answered, 0) + 1 and after[rows] == before[rows] + 5


def test_the_log_is_one_json_object_a_line(server: Server) -> None:
    events = server.events()
    assert events[0]["event"] == "model loaded" and all({"time", "level", "event"} <= set(one) for one in events)
