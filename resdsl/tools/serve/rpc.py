"""The server over gRPC: the Open Inference Protocol, with the messages of Triton's client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

import grpc
from tritonclient.grpc import service_pb2 as pb  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2_grpc

from resdsl.runtime.session import Array
from resdsl.tools.serve import messages, tensors
from resdsl.tools.serve.errors import Reason, Refusal
from resdsl.tools.serve.served import Served
from resdsl.tools.serve.service import Service
from resdsl.untrusted import printable

_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""The field of typed values for each data type."""


def rpc_server(service: Service) -> Any:
    """A server of ``grpc.aio`` without a port."""
    limit = service.options.max_body
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", limit),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
        maximum_concurrent_rpcs=max(64, 4 * service.options.max_queue),
    )
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(_Servicer(service), server)
    return server


def _guarded(method: Callable[[_Servicer, Any], Awaitable[Any]]) -> Callable[[_Servicer, Any, Any], Awaitable[Any]]:
    """The method for those who may use it, with its refusals as statuses."""

    @wraps(method)
    async def answer(self: _Servicer, request: Any, context: Any) -> Any:
        try:
            self.service.authorize(_headers(context).get("authorization"))
            async with self.service.explained():
                return await method(self, request)
        except Refusal as refusal:
            return await _abort(context, refusal)

    return answer


class _Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Methods have the names of the protocol; those that are not here are answered with ``UNIMPLEMENTED``."""

    def __init__(self, service: Service) -> None:
        self.service = service

    async def ServerLive(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.ServerReadyResponse(ready=self.service.ready)

    @_guarded
    async def ServerMetadata(self, request: Any) -> Any:  # noqa: N802
        return pb.ServerMetadataResponse(**messages.server_metadata())

    @_guarded
    async def ModelReady(self, request: Any) -> Any:  # noqa: N802
        try:
            self.service.repository.find(request.name, request.version)
        except Refusal:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=True)

    @_guarded
    async def ModelMetadata(self, request: Any) -> Any:  # noqa: N802
        found = self.service.repository.find(request.name, request.version)
        return pb.ModelMetadataResponse(**messages.model_metadata(found, self.service.repository))

    @_guarded
    async def ModelConfig(self, request: Any) -> Any:  # noqa: N802
        found = self.service.repository.find(request.name, request.version)
        return pb.ModelConfigResponse(config=messages.model_config(found, self.service.options))

    @_guarded
    async def RepositoryIndex(self, request: Any) -> Any:  # noqa: N802
        return pb.RepositoryIndexResponse(models=messages.index(self.service.repository))

    @_guarded
    async def RepositoryModelLoad(self, request: Any) -> Any:  # noqa: N802
        await self.service.reload(request.model_name)
        return pb.RepositoryModelLoadResponse()

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            return await self._infer(request, context)
        except Refusal as refusal:
            return await _abort(context, refusal)

    async def ModelStreamInfer(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:  # noqa: N802
        async for request in requests:
            try:
                yield pb.ModelStreamInferResponse(infer_response=await self._infer(request, context))
            except Refusal as refusal:
                yield pb.ModelStreamInferResponse(
                    error_message=refusal.message, infer_response=pb.ModelInferResponse(id=request.id)
                )

    async def _infer(self, request: Any, context: Any) -> Any:
        service = self.service
        headers = _headers(context)
        with service.observer.request("grpc", "infer") as record:
            service.authorize(headers.get("authorization"))
            size = request.ByteSize()
            with service.span(headers, record):
                async with service.explained():
                    with service.admitted(request.model_name, request.model_version, record) as served:
                        with service.reserved(size):
                            asked = await service.in_thread(size, _asked, request)
                            values = await service.infer(served, asked.inputs, asked.names, record)
                        sent = sum(array.nbytes for array in values.values())
                        return await service.in_thread(sent, _response, served, asked, values)


async def _abort(context: Any, refusal: Refusal) -> Any:
    if refusal.retry_after:
        context.set_trailing_metadata((("retry-after", str(refusal.retry_after)),))
    text = "; ".join((refusal.message, *refusal.helps))
    # It raises: nothing is returned.
    return await context.abort(getattr(grpc.StatusCode, refusal.reason.grpc), text)


def _headers(context: Any) -> Mapping[str, str]:
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def _asked(request: Any) -> messages.InferRequest:
    raw = list(request.raw_input_contents)
    if raw and len(raw) != len(request.inputs):
        raise Refusal(Reason.INVALID, f"there are {len(request.inputs)} inputs, and raw contents for {len(raw)}")
    inputs: dict[str, Array] = {}
    for number, given in enumerate(request.inputs):
        if given.name in inputs:
            raise Refusal(Reason.INVALID, f"the input `{printable(given.name)}` is there twice")
        shape = list(given.shape)
        if raw:
            inputs[given.name] = tensors.from_bytes(given.name, given.datatype, shape, raw[number])
            continue
        field = _CONTENTS.get(given.datatype)
        if field is None:
            raise Refusal(
                Reason.INVALID, f"`{printable(given.name)}` is {printable(given.datatype)}, which takes raw contents"
            )
        numbers = list(getattr(given.contents, field))
        inputs[given.name] = tensors.from_numbers(given.name, given.datatype, shape, numbers)
    outputs = tuple(messages.Wanted(one.name, True, _class_count(one)) for one in request.outputs)
    return messages.InferRequest(request.id, inputs, outputs, True)


def _class_count(output: Any) -> int:
    if "classification" not in output.parameters:
        return 0
    return messages.class_count(output.parameters["classification"].int64_param)


def _response(served: Served, asked: messages.InferRequest, values: Mapping[str, Array]) -> Any:
    response = pb.ModelInferResponse(model_name=served.name, model_version=str(served.version), id=asked.id)
    for one in asked.wanted(served):
        port, array = messages.answered(served, one, values)
        response.outputs.add(name=port.name, datatype=port.datatype, shape=array.shape)
        response.raw_output_contents.append(tensors.to_bytes(array))
    return response
