"""A server of models: it loads them, listens, follows their files, and ends without losing a request."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resdsl.compiler.models import Build
from resdsl.diagnostics import RunError, UnavailableError, catalogue
from resdsl.runtime.device import DeviceOptions
from resdsl.tools.serve.options import ServeOptions
from resdsl.tools.serve.sources import source_of

if TYPE_CHECKING:
    from resdsl.tools.serve.service import Service

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is reached once it listens. ``grpc_port`` is ``None`` without gRPC."""

    url: str
    host: str
    port: int
    grpc_port: int | None


def serve(
    models: Sequence[str],
    options: ServeOptions | None = None,
    *,
    build: Build | None = None,
    device: DeviceOptions | None = None,
    started: Callable[[Address, Sequence[str]], None] = lambda *_: None,
) -> None:
    """Serve ``models`` with the Open Inference Protocol until SIGTERM or Ctrl-C.

    A model is an ONNX file, a network as for ``resdsl.load`` (which is compiled as ``build`` says), one of both after
    ``NAME=``, or a folder of versions as ``resdsl.package`` writes it. ``started`` is called with the address and the
    names of the models once requests are accepted.

    Raises, before it listens, ``UnavailableError`` without ``resdsl[serve]``, if the device cannot be used or the
    address is taken, ``RunError`` for models, certificates or tokens that cannot be used, and ``CompileError`` for a
    specification with errors.
    """
    _require_libraries()
    options = options or ServeOptions()
    spread = options.instances is None
    sources = [source_of(one, build or Build(), device or DeviceOptions(), spread=spread) for one in models]
    asyncio.run(_serve(sources, options, started))


def _require_libraries() -> None:
    try:
        for name in ("grpc", "httptools", "prometheus_client", "starlette", "tritonclient.grpc", "uvicorn"):
            importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError.of(
            catalogue.EXTRA_NEEDED,
            f"the server needs libraries that are not installed: {error}",
            helps=("run `pip install 'resdsl[serve]'`",),
        ) from None


async def _serve(
    sources: Sequence[Any], options: ServeOptions, started: Callable[[Address, Sequence[str]], None]
) -> None:
    from resdsl.tools.serve.observe import Log, Observer
    from resdsl.tools.serve.repository import Repository
    from resdsl.tools.serve.rest import application
    from resdsl.tools.serve.rpc import rpc_server
    from resdsl.tools.serve.service import Service, read_tokens
    from resdsl.tools.serve.traces import exported_spans, no_spans

    tokens = read_tokens(options.token_file) if options.token_file else ()
    span, send_spans = exported_spans() if options.traces else (no_spans, lambda: None)
    tls = _tls(options)
    log = Log(options.log_format)
    observer = Observer(log)
    repository = Repository(sources, options, changed=observer.changed, ran=observer.ran)
    with contextlib.closing(log), _listening(options.host, options.port, options.timeout) as listener:
        errors = await repository.refresh()
        if errors:
            raise errors[0]
        service = Service(repository, observer, options, tokens=tokens, span=span)
        rpc, grpc_port = None, None
        if options.grpc_port is not None:
            rpc = rpc_server(service)
            grpc_port = _bind_rpc(rpc, options)
            await rpc.start()
        http = _http_server(application(service, loopback=options.host in _LOOPBACK), options, tls)
        port = listener.getsockname()[1]
        host = f"[{options.host}]" if ":" in options.host else options.host
        address = Address(f"{'https' if tls else 'http'}://{host}:{port}", options.host, port, grpc_port)
        if options.host not in _LOOPBACK and not tokens:
            observer.log.write("no tokens: everybody who reaches this address can use the models", level="warning")
        stop = _stop_event()
        running = asyncio.create_task(http.serve(sockets=[listener]))
        follower = asyncio.create_task(_follow(service))
        while not http.started and not running.done():
            await asyncio.sleep(0.01)
        observer.log.write("started", address=address.url, grpc_port=grpc_port, models=", ".join(repository.names))
        started(address, repository.names)
        await asyncio.wait({running, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        await _drain(service, http, rpc, running, follower)
        send_spans()


async def _drain(
    service: Service, http: Any, rpc: Any | None, running: asyncio.Task[None], follower: asyncio.Task[None]
) -> None:
    """End without losing a request: say that the server is not ready, wait, refuse new connections, answer the rest."""
    options = service.options
    service.draining = True
    service.observer.log.write("draining", pending=sum(one.requests for one in service.repository))
    follower.cancel()
    await asyncio.sleep(options.drain_delay)
    http.should_exit = True
    await asyncio.gather(running, *([rpc.stop(options.drain)] if rpc is not None else []))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(service.repository.close(), max(options.drain, 1))
    service.close()
    service.observer.log.write("stopped")


async def _follow(service: Service) -> None:
    """Load new versions when their files appear."""
    if not service.options.poll:
        return
    while True:
        await asyncio.sleep(service.options.poll)
        await service.repository.refresh(settled=True)


def _stop_event() -> asyncio.Event:
    """Set by SIGTERM and Ctrl-C; the second time, the signal ends the process at once."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def ask(number: int) -> None:
        loop.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        # Windows has no handlers in the loop, and a thread that is not the main one none at all.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, ask, number)
    return stop


def _http_server(app: Any, options: ServeOptions, tls: ssl.SSLContext | None) -> Any:
    import uvicorn

    from resdsl.tools.serve.joined_writes import JoinedHttp

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # this module handles them, for both protocols

    config = uvicorn.Config(
        app,
        http=JoinedHttp,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=65,
        timeout_graceful_shutdown=max(1, round(options.drain)),
        # Beyond what the queues of models hold; further connections get 503.
        limit_concurrency=max(1024, 4 * options.max_queue),
        backlog=_BACKLOG,
    )
    config.load()
    config.ssl = tls
    return Server(config)


@contextlib.contextmanager
def _listening(host: str, port: int, timeout: float) -> Iterator[socket.socket]:
    """A socket that listens. Raises ``UnavailableError`` if the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol, asyncio turns Nagle's algorithm off: it would hold the second part of an answer back for 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as made:
        if os.name == "posix":
            # After a restart. On Windows it would let two servers have one port.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # A client that takes no bytes of its answer is given up.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(timeout * 1000))
        try:
            made.bind((host, port))
        except OSError as error:
            raise _address_unusable(f"{host}:{port}", str(error.strerror or error), "--port") from None
        made.setblocking(False)
        yield made


def _bind_rpc(rpc: Any, options: ServeOptions) -> int:
    import grpc

    host = f"[{options.host}]" if ":" in options.host else options.host
    address = f"{host}:{options.grpc_port}"
    try:
        if options.tls_certificate is None or options.tls_key is None:
            port = rpc.add_insecure_port(address)
        else:
            pair = (options.tls_key.read_bytes(), options.tls_certificate.read_bytes())
            port = rpc.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    except RuntimeError:
        port = 0
    if not port:
        raise _address_unusable(address, "it is in use, or not one of this machine", "--grpc-port")
    return int(port)


def _tls(options: ServeOptions) -> ssl.SSLContext | None:
    if options.tls_certificate is None or options.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(_file(options.tls_certificate), _file(options.tls_key))
    except (OSError, ssl.SSLError) as error:
        raise RunError.of(
            catalogue.SERVER_FILES,
            f"`{options.tls_certificate}` and `{options.tls_key}` are no certificate with its key: "
            f"{error.strerror or error}",
            helps=("both are PEM files; the first has the certificate and those that signed it",),
        ) from None
    return context


def _file(path: Path) -> Path:
    from resdsl.runtime.files import require_file

    require_file(path, "a PEM file", regular=True)
    return path


def _address_unusable(address: str, reason: str, option: str) -> UnavailableError:
    return UnavailableError.of(
        catalogue.ADDRESS,
        f"the server cannot listen on {address}: {reason[:1].lower()}{reason[1:]}",
        helps=(f"end the program that uses it, or choose another with `{option}`",),
    )
