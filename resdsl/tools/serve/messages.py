"""Requests and answers of the Open Inference Protocol as data, apart from how they travel."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format  # type: ignore[import-untyped]
from tritonclient.grpc import model_config_pb2  # type: ignore[import-untyped]

from resdsl.runtime.session import Array
from resdsl.tools.serve import tensors
from resdsl.tools.serve.errors import Reason, Refusal
from resdsl.tools.serve.options import ServeOptions
from resdsl.tools.serve.repository import Repository
from resdsl.tools.serve.served import Served, ServedPort
from resdsl.untrusted import bounded_int, bounded_text, parse_json, printable
from resdsl.version import __version__

PLATFORM = "onnxruntime_onnx"
_MOST_TENSORS = 1000
_MOST_ID = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output that a request asks for: as binary data or as numbers; with ``classes``, that many best classes."""

    name: str
    binary: bool
    classes: int = 0


@dataclass(frozen=True, slots=True)
class InferRequest:
    """``outputs`` is empty for all; ``binary`` then says how they are sent."""

    id: str
    inputs: Mapping[str, Array]
    outputs: tuple[Wanted, ...]
    binary: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.name for one in self.outputs))

    def wanted(self, served: Served) -> tuple[Wanted, ...]:
        """The outputs to send."""
        return self.outputs or tuple(Wanted(port.name, self.binary) for port in served.loaded.outputs)


def effort(body: bytes, length: int) -> int:
    """The bytes that reading a request looks at: numbers in binary data are taken as they are."""
    return len(body) if b"BYTES" in body[:length] else length


def infer_request(body: bytes, length: int) -> InferRequest:
    """The request in a body, whose first ``length`` bytes are JSON and the others binary data. Raises ``Refusal``."""
    try:
        message = parse_json(body[:length])
    except (ValueError, UnicodeDecodeError) as error:
        raise Refusal(
            Reason.INVALID,
            f"the request is not JSON: {printable(str(error))}",
            helps=("send an image to the address that ends with `/predict`",),
        ) from None
    request = _object(message, "the request")
    parameters = _object(request.get("parameters", {}), "`parameters`")
    data, start, inputs = memoryview(body), length, {}
    for given in _objects(request.get("inputs"), "inputs"):
        name, kind = _text(given.get("name"), "the name of an input"), _text(given.get("datatype"), "`datatype`")
        size = _object(given.get("parameters", {}), "`parameters`").get("binary_data_size")
        if name in inputs:
            raise Refusal(Reason.INVALID, f"the input `{printable(name)}` is there twice")
        if size is None:
            inputs[name] = tensors.from_numbers(name, kind, given.get("shape"), given.get("data"))
            continue
        count = bounded_int(size, most=len(body) - start)
        if count is None:
            raise Refusal(Reason.INVALID, f"`{printable(name)}` has less binary data than its `binary_data_size`")
        inputs[name] = tensors.from_bytes(name, kind, given.get("shape"), data[start : start + count])
        start += count
    if start != len(body):
        raise Refusal(Reason.INVALID, f"the body has {len(body) - start} bytes of binary data that no input takes")
    binary = parameters.get("binary_data_output") is True
    outputs = tuple(_wanted(one, binary) for one in _objects(request.get("outputs", []), "outputs"))
    identity = bounded_text(request.get("id", ""), most=_MOST_ID)
    if identity is None:
        raise Refusal(Reason.INVALID, f"`id` is not a text of at most {_MOST_ID} characters")
    return InferRequest(identity, inputs, outputs, binary)


def infer_response(served: Served, request: InferRequest, values: Mapping[str, Array]) -> tuple[dict[str, str], bytes]:
    """The headers and the body of an answer."""
    outputs, blobs = [], []
    for one in request.wanted(served):
        port, array = answered(served, one, values)
        output: dict[str, object] = {"name": port.name, "datatype": port.datatype, "shape": list(array.shape)}
        if one.binary:
            blob = tensors.to_bytes(array)
            blobs.append(blob)
            output["parameters"] = {"binary_data_size": len(blob)}
        else:
            output["data"] = tensors.to_numbers(port.name, array)
        outputs.append(output)
    message: dict[str, object] = {"model_name": served.name, "model_version": str(served.version), "outputs": outputs}
    if request.id:
        message["id"] = request.id
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    if not blobs:
        return {"Content-Type": "application/json"}, text
    headers = {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(len(text))}
    return headers, b"".join((text, *blobs))


def answered(served: Served, one: Wanted, values: Mapping[str, Array]) -> tuple[ServedPort, Array]:
    """An output as it is sent: its values, or its classes."""
    port = next(port for port in served.loaded.outputs if port.name == one.name)
    array = values[one.name]
    if not one.classes:
        return port, array
    if array.dtype.kind not in "fiu":
        raise Refusal(Reason.INVALID, f"`{port.name}` has no numbers to order classes by")
    array = tensors.classes(array, one.classes, served.loaded.labels)
    return ServedPort(port.name, "BYTES", array.shape), array


def server_metadata() -> dict[str, Any]:
    """Name, version and extensions of this server."""
    return {
        "name": "resdsl",
        "version": __version__,
        "extensions": ["classification", "binary_tensor_data", "model_configuration", "model_repository"],
    }


def model_metadata(served: Served, repository: Repository) -> dict[str, Any]:
    """What clients have to know of a model."""
    return {
        "name": served.name,
        "versions": [str(version) for version in repository.versions(served.name)],
        "platform": PLATFORM,
        "inputs": [_port(port) for port in served.loaded.inputs],
        "outputs": [_port(port) for port in served.loaded.outputs],
    }


def index(repository: Repository) -> list[dict[str, str]]:
    """The versions of all models."""
    return [{"name": one.name, "version": str(one.version), "state": "READY", "reason": ""} for one in repository]


def model_config(served: Served, options: ServeOptions) -> Any:
    """A model in the words of Triton's configurations, which its tools for measuring read."""
    joins, loaded = served.loaded.open_batch, served.loaded
    config = model_config_pb2.ModelConfig(
        name=served.name,
        platform=PLATFORM,
        backend="onnxruntime",
        max_batch_size=options.max_batch if joins else 0,
        input=[
            model_config_pb2.ModelInput(name=port.name, data_type=_triton_type(port), dims=port.shape[joins:])
            for port in loaded.inputs
        ],
        output=[
            model_config_pb2.ModelOutput(name=port.name, data_type=_triton_type(port), dims=port.shape[joins:])
            for port in loaded.outputs
        ],
    )
    if joins:
        config.dynamic_batching.max_queue_delay_microseconds = round(loaded.delay(options) * 1000)
    return config


def model_config_json(served: Served, options: ServeOptions) -> dict[str, Any]:
    """The same for HTTP."""
    made: dict[str, Any] = json_format.MessageToDict(model_config(served, options), preserving_proto_field_name=True)
    return made


def _triton_type(port: ServedPort) -> int:
    return int(model_config_pb2.DataType.Value("TYPE_STRING" if port.datatype == "BYTES" else f"TYPE_{port.datatype}"))


def _port(port: ServedPort) -> dict[str, Any]:
    return {"name": port.name, "datatype": port.datatype, "shape": list(port.shape)}


def _wanted(given: Mapping[str, object], binary: bool) -> Wanted:
    name = _text(given.get("name"), "the name of an output")
    parameters = _object(given.get("parameters", {}), "`parameters`")
    return Wanted(name, parameters.get("binary_data", binary) is True, class_count(parameters.get("classification", 0)))


def class_count(given: object) -> int:
    """The number of classes that a request asks for."""
    count = bounded_int(given, most=2**20)
    if count is None:
        raise Refusal(Reason.INVALID, "`classification` is not a number of classes")
    return count


def _objects(value: object, what: str) -> Sequence[Mapping[str, object]]:
    if not isinstance(value, list) or len(value) > _MOST_TENSORS:
        raise Refusal(Reason.INVALID, f"`{what}` is not a list of tensors")
    return [_object(one, f"one of `{what}`") for one in value]


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Refusal(Reason.INVALID, f"{what} is not an object")
    return value


def _text(value: object, what: str) -> str:
    text = bounded_text(value, most=_MOST_ID)
    if not text:
        raise Refusal(Reason.INVALID, f"{what} is missing")
    return text
