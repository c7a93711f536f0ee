"""The server over HTTP: the Open Inference Protocol, images, metrics, and the page."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from resdsl.tools.serve import messages
from resdsl.tools.serve.errors import Reason, Refusal
from resdsl.tools.serve.observe import Record
from resdsl.tools.serve.served import Served
from resdsl.tools.serve.service import Service, too_large
from resdsl.untrusted import bounded_int

HEADER_LENGTH = "inference-header-content-length"
_MOST_CLASSES = 1000
_LINGER_BYTES = 64 * 2**20
_LINGER_SECONDS = 2.0

Endpoint = Callable[[Request], Awaitable[Response]]


def application(service: Service, *, loopback: bool) -> Starlette:
    """The ASGI application. With ``loopback`` it answers only under names of this machine."""
    # DNS rebinding: the name of another site can resolve to this machine.
    hosts = ["localhost", "127.0.0.1", "[::1]", "::1"] if loopback else ["*"]
    endpoints = _Endpoints(service)
    guarded, observed = endpoints.guarded, endpoints.observed
    routes = [Route("/predict", observed("predict", endpoints.predict), methods=["POST"])]
    # The first that fits is taken, so those with work to do come first.
    for prefix in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += [
            Route(f"{prefix}/infer", observed("infer", endpoints.infer), methods=["POST"]),
            Route(f"{prefix}/predict", observed("predict", endpoints.predict), methods=["POST"]),
            Route(f"{prefix}/ready", guarded(endpoints.model_ready)),
            Route(f"{prefix}/config", guarded(endpoints.model_config)),
            Route(prefix, guarded(endpoints.model_metadata)),
        ]
    routes += [
        Route("/", endpoints.page),
        Route("/v2/health/live", endpoints.live),
        Route("/v2/health/ready", endpoints.ready),
        Route("/metrics", guarded(endpoints.metrics)),
        Route("/v2", guarded(endpoints.server_metadata)),
        Route("/v2/repository/index", guarded(endpoints.index), methods=["POST"]),
        Route("/v2/repository/models/{model}/load", guarded(endpoints.load), methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
        exception_handlers={404: _no_such_page, 405: _no_such_page},
    )


class _Endpoints:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def page(self, request: Request) -> Response:
        return Response(*_page())

    async def live(self, request: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        ready = self._service.ready
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        return Response(self._service.observer.metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def server_metadata(self, request: Request) -> Response:
        return JSONResponse({**messages.server_metadata(), "models": self._service.repository.names})

    async def index(self, request: Request) -> Response:
        return JSONResponse(messages.index(self._service.repository))

    async def load(self, request: Request) -> Response:
        await self._service.reload(request.path_params["model"])
        return JSONResponse({})

    async def model_metadata(self, request: Request) -> Response:
        return JSONResponse(messages.model_metadata(self._found(request), self._service.repository))

    async def model_config(self, request: Request) -> Response:
        return JSONResponse(messages.model_config_json(self._found(request), self._service.options))

    async def model_ready(self, request: Request) -> Response:
        return JSONResponse({"name": self._found(request).name, "ready": True})

    async def infer(self, request: Request, record: Record) -> Response:
        service, parameters = self._service, request.path_params
        with service.admitted(parameters["model"], parameters.get("version", ""), record) as served:
            with service.reserved(_declared(request)):
                body = await _body(request, service.options.max_body)
                length = _header_length(request, len(body))
                asked = await service.in_thread(messages.effort(body, length), messages.infer_request, body, length)
                values = await service.infer(served, asked.inputs, asked.names, record)
            size = sum(array.nbytes for array in values.values())
            headers, content = await service.in_thread(size, messages.infer_response, served, asked, values)
        return Response(content, headers=headers)

    async def predict(self, request: Request, record: Record) -> Response:
        service, parameters = self._service, request.path_params
        name = parameters.get("model") or request.query_params.get("model") or self._only()
        top = bounded_int(request.query_params.get("top", "5"), least=1, most=_MOST_CLASSES)
        if top is None:
            raise Refusal(Reason.INVALID, f"`top` is a number from 1 to {_MOST_CLASSES}")
        admitted = service.admitted(name, parameters.get("version", ""), record)
        with admitted as served, service.reserved(_declared(request)):
            body = await _body(request, service.options.max_body)
            return JSONResponse(await service.classify(served, body, top, record))

    def guarded(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint for those who may use it, with its refusals as answers. Neither counted nor logged."""

        async def answer(request: Request) -> Response:
            try:
                return await self._answer(request, lambda: endpoint(request))
            except Refusal as refusal:
                return await _refused(request, refusal)

        return answer

    def observed(self, kind: str, endpoint: Callable[[Request, Record], Awaitable[Response]]) -> Endpoint:
        """The same for requests that are counted, logged and traced."""

        async def answer(request: Request) -> Response:
            try:
                observed = self._service.observer.request("http", kind)
                with observed as record, self._service.span(request.headers, record):
                    return await self._answer(request, lambda: endpoint(request, record))
            except Refusal as refusal:
                return await _refused(request, refusal)

        return answer

    async def _answer(self, request: Request, act: Callable[[], Awaitable[Response]]) -> Response:
        self._service.authorize(request.headers.get("authorization"))
        if request.headers.get("content-encoding", "identity") != "identity":
            raise Refusal(Reason.MEDIA_TYPE, "compressed bodies are not supported")
        async with self._service.explained():
            response = await act()
        if self._service.draining:
            # Clients open another connection, to a server that stays.
            response.headers["Connection"] = "close"
        return response

    def _found(self, request: Request) -> Served:
        return self._service.repository.find(request.path_params["model"], request.path_params.get("version", ""))

    def _only(self) -> str:
        names = self._service.repository.names
        if len(names) != 1:
            raise Refusal(
                Reason.INVALID,
                f"this server has {len(names)} models, and the request names none",
                helps=(f"add `?model=NAME`: {', '.join(names)}",),
            )
        return names[0]


async def _refused(request: Request, refusal: Refusal) -> Response:
    body: dict[str, object] = {"error": refusal.message}
    if refusal.code:
        body["code"] = refusal.code
    if refusal.helps:
        body["help"] = list(refusal.helps)
    headers = {}
    if refusal.retry_after:
        headers["Retry-After"] = str(refusal.retry_after)
    if refusal.reason is Reason.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if refusal.reason is Reason.TIMEOUT or not await _discarded(request):
        headers["Connection"] = "close"
    return JSONResponse(body, refusal.reason.http, headers)


def _declared(request: Request) -> int:
    return bounded_int(request.headers.get("content-length", "0")) or 0


async def _body(request: Request, most: int) -> bytes:
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > most:
                raise too_large(most)
            parts.append(part)
    except ClientDisconnect:
        raise Refusal(Reason.SLOW, "the client left before its request was complete") from None
    return b"".join(parts)


async def _discarded(request: Request) -> bool:
    """Read the rest of a body that is refused: a client that still sends would not see the answer. Bounded."""
    size = 0
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > _LINGER_BYTES:
                    return False
    except RuntimeError:
        return True  # all was read before
    except (TimeoutError, ClientDisconnect):
        return False
    return True


def _header_length(request: Request, size: int) -> int:
    """The bytes of JSON at the start of a body, before the binary data."""
    given = request.headers.get(HEADER_LENGTH)
    length = size if given is None else bounded_int(given, most=size)
    if length is None:
        raise Refusal(Reason.INVALID, "`Inference-Header-Content-Length` is not a number of bytes of the body")
    return length


async def _no_such_page(_: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    fact = "this address does not take that method" if status == 405 else "there is nothing at this address"
    return JSONResponse({"error": fact, "help": ["the protocol's addresses begin with /v2"]}, status)


@cache
def _page() -> tuple[str, int, Mapping[str, str]]:
    """The page, whose policy allows nothing but its own script and style, and requests to this server."""
    text = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    script, style = (_digest(text, tag) for tag in ("script", "style"))
    policy = (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return text, 200, headers


def _digest(text: str, tag: str) -> str:
    found = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    assert found is not None
    return f"'sha256-{base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()}'"
