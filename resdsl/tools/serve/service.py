"""What both protocols do with a request: admit it, bound its time, run it, and say why it is refused."""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

from resdsl.diagnostics import ResdslError, RunError, UnavailableError, catalogue
from resdsl.runtime.batching import checked
from resdsl.runtime.processor import processor
from resdsl.runtime.results import Failure, Prediction, result_data
from resdsl.runtime.rows import ranked
from resdsl.runtime.session import Array
from resdsl.tools.serve.errors import Reason, Refusal
from resdsl.tools.serve.observe import Observer, Record
from resdsl.tools.serve.options import ServeOptions
from resdsl.tools.serve.repository import Repository
from resdsl.tools.serve.served import Served
from resdsl.tools.serve.traces import Span, no_spans

_MOST_BYTES = 2**30
"""The most bytes of all bodies together that are being answered."""

_LARGE = 1 << 16
"""Bytes from which on work is done in a thread."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Service:
    """The models, their limits, and who may use them. ``draining`` once the server is asked to end."""

    def __init__(
        self,
        repository: Repository,
        observer: Observer,
        options: ServeOptions,
        *,
        tokens: Sequence[bytes] = (),
        span: Span = no_spans,
    ) -> None:
        self.repository = repository
        self.observer = observer
        self.options = options
        self.span = span
        self.draining = False
        self._tokens = tokens
        self._bytes = 0
        # Decoding, preprocessing and JSON: beside the threads that run batches.
        self._pool = ThreadPoolExecutor(processor().threads, thread_name_prefix="read")

    @property
    def ready(self) -> bool:
        """Whether new requests should come here."""
        return not self.draining and bool(self.repository.names)

    def authorize(self, header: str | None) -> None:
        """Raise ``Refusal`` unless the header ``Authorization`` has one of the tokens, if there are any."""
        if not self._tokens:
            return
        scheme, _, token = (header or "").partition(" ")
        given = token.strip().encode()
        # All are compared, so that the time says nothing about them.
        known = [hmac.compare_digest(given, one) for one in self._tokens]
        if scheme.lower() != "bearer" or not any(known):
            raise Refusal(Reason.UNAUTHENTICATED, "a bearer token is needed, and the request has none that is known")

    @contextmanager
    def admitted(self, name: str, version: str, record: Record) -> Iterator[Served]:
        """The version of a model, which stays while the block runs. Raises ``Refusal`` if too many requests wait."""
        served = self.repository.find(name, version)
        record.model, record.version = served.name, served.version
        if served.requests >= self.options.max_queue:
            raise _overloaded(f"`{served.name}` has {served.requests} requests that are not answered yet")
        with served.held():
            yield served

    @contextmanager
    def reserved(self, size: int) -> Iterator[None]:
        """Memory for a body. Raises ``Refusal`` if it, or all together, would be too large."""
        if size > self.options.max_body:
            raise too_large(self.options.max_body)
        if self._bytes + size > max(_MOST_BYTES, self.options.max_body):
            raise _overloaded("the requests that are not answered yet are too large together")
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size

    @asynccontextmanager
    async def explained(self, seconds: float | None = None) -> AsyncIterator[None]:
        """What goes wrong in the block as ``Refusal``, within ``seconds`` (the limit of a request)."""
        try:
            async with asyncio.timeout(self.options.timeout if seconds is None else seconds):
                yield
        except TimeoutError:
            raise Refusal(
                Reason.TIMEOUT, f"the request took more than {self.options.timeout:g} s", retry_after=1
            ) from None
        except ResdslError as error:
            raise refusal_of(error) from None

    async def in_thread(
        self, size: int, act: Callable[Parameters, Result], *given: Parameters.args, **options: Parameters.kwargs
    ) -> Result:
        """``act(*given)``, in a thread if what it works on has many bytes."""
        if size < _LARGE:
            return act(*given, **options)
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: act(*given, **options))

    async def infer(
        self, served: Served, inputs: Mapping[str, Array], outputs: Sequence[str], record: Record
    ) -> Mapping[str, Array]:
        """As ``Served.infer``, recorded."""
        record.rows = next((len(array) for array in inputs.values() if array.ndim), None)
        return await served.infer(inputs, outputs)

    async def classify(self, served: Served, data: bytes, top: int, record: Record) -> dict[str, object]:
        """The ``top`` classes of an encoded image, as ``resdsl predict --json`` has them."""
        loaded, record.rows = served.loaded, 1
        row = await asyncio.get_running_loop().run_in_executor(self._pool, loaded.read_image, data)
        classifier = loaded.classifier
        assert classifier is not None
        output = classifier.output.name
        values = await served.batcher.submit({classifier.input.name: row}, [output], 1)
        answer = checked(classifier, "the image", classifier.probabilities(values[output])[0])
        if isinstance(answer, Failure):
            raise RunError(answer.diagnostic)
        classes = ranked(classifier.labels, answer, top)
        result = result_data(Prediction("", classes, str(loaded.session.device), 0.0))
        return {"model": served.name, "version": str(served.version), "classes": result["classes"]}

    async def reload(self, name: str) -> None:
        """Look for new versions now. Raises ``Refusal`` for an unknown name, and if a version cannot be loaded."""
        errors = await self.repository.refresh()
        self.repository.find(name)
        if errors:
            raise refusal_of(errors[0])

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def too_large(limit: int) -> Refusal:
    """The refusal of a body."""
    return Refusal(
        Reason.TOO_LARGE,
        f"the body has more than {limit} bytes",
        helps=("send less at once, or raise the limit with `--max-body`",),
    )


def refusal_of(error: ResdslError) -> Refusal:
    """A diagnostic as the refusal of a request."""
    diagnostic = error.diagnostic
    reason = Reason.UNAVAILABLE if isinstance(error, UnavailableError) else Reason.INVALID
    if diagnostic.code == catalogue.IMAGE_TOO_LARGE:
        reason = Reason.TOO_LARGE
    helps = tuple(map(str, diagnostic.helps))
    return Refusal(reason, diagnostic.message, code=diagnostic.code.id, helps=helps)


def read_tokens(file: Path) -> tuple[bytes, ...]:
    """The tokens in a file, one on each line. Raises ``RunError`` if there are none, or others may read the file."""
    from resdsl.runtime.files import require_file  # for its diagnostics

    require_file(file, "a file of tokens", regular=True)
    tokens = tuple(line.strip() for line in file.read_bytes().splitlines() if line.strip())
    if not tokens:
        raise RunError.of(
            catalogue.SERVER_FILES,
            f"`{file}` has no tokens",
            helps=("write one token on each line: `openssl rand -hex 32 > tokens`",),
        )
    if os.name == "posix" and file.stat().st_mode & 0o007:
        raise RunError.of(
            catalogue.SERVER_FILES,
            f"every user of this machine can read the tokens in `{file}`",
            helps=(f"run `chmod 600 {file}`",),
        )
    return tokens


def _overloaded(fact: str) -> Refusal:
    return Refusal(Reason.OVERLOADED, fact, retry_after=1, helps=("send it again later",))
