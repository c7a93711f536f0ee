"""A version of a model that is loaded: its ports, its limits, and the requests that it is answering."""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from PIL import Image

from resdsl.diagnostics import RunError, catalogue
from resdsl.runtime.classifier import Array, Classifier
from resdsl.runtime.datatypes import datatype
from resdsl.runtime.images import decode_image
from resdsl.runtime.inputs import random_inputs
from resdsl.runtime.item import Item
from resdsl.runtime.metadata import read_metadata
from resdsl.runtime.session import Port, Session
from resdsl.tools.serve.batcher import Batcher
from resdsl.tools.serve.errors import Reason, Refusal
from resdsl.tools.serve.options import ServeOptions
from resdsl.tools.serve.sources import Opened
from resdsl.untrusted import printable, printable_shape

_AS_FAST, _SLOWER = 1.05, 1.2
"""Times of a row as parts of the least: up to the first a batch is as good, from the second on none is tried."""

_DELAY_MS = 2.0

_MOST_SECONDS = 1.0
"""For trying a size of batches."""

OPEN = -1
"""A size that each request chooses."""


@dataclass(frozen=True, slots=True)
class ServedPort:
    """An input or output in the words of the protocol. The first of ``shape`` is that of the batch."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A session with what requests need: made in a thread, so that loading stops no request.

    ``classifier`` is ``None`` for a model that takes no images, and ``why_no_images`` says why.
    """

    session: Session
    inputs: tuple[ServedPort, ...]
    outputs: tuple[ServedPort, ...]
    labels: tuple[str, ...]
    classifier: Classifier | None
    why_no_images: str = ""
    one_thread: Session | None = None

    @classmethod
    def of(cls, opened: Opened, options: ServeOptions) -> Loaded:
        """Raises ``RunError`` for a model whose values are no tensors."""
        session, one_thread = opened.session, opened.one_thread
        inputs = tuple(_port(port, session.name) for port in session.inputs)
        outputs = tuple(_port(port, session.name) for port in session.outputs)
        labels = read_metadata(session.metadata, session.name).labels or ()
        try:
            classifier = Classifier.of(session, max_pixels=options.max_pixels)
            classifier.require_preprocess()
        except RunError as error:
            return cls(session, inputs, outputs, labels, None, error.diagnostic.message, one_thread)
        return cls(session, inputs, outputs, labels, classifier, one_thread=one_thread)

    @property
    def open_batch(self) -> bool:
        """Whether the first size of every port is open, and so that of a batch."""
        return all(port.shape and port.shape[0] == OPEN for port in (*self.inputs, *self.outputs))

    @property
    def fixed_batch(self) -> int | None:
        """The batch that the model always takes, if all ports state the same."""
        first = {port.shape[0] if port.shape else OPEN for port in (*self.inputs, *self.outputs)}
        size = first.pop()
        return size if not first and size != OPEN else None

    def delay(self, options: ServeOptions) -> float:
        """The milliseconds that a request waits for others: batches make GPUs faster, and CPUs hardly."""
        if options.max_delay_ms is not None:
            return options.max_delay_ms
        return 0.0 if self.session.device.kind == "cpu" else _DELAY_MS

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """One batch; thread-safe. Raises ``RunError``."""
        return self.session.run(inputs, outputs)

    def run_beside(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """The same on one thread of a CPU, beside others."""
        return (self.one_thread or self.session).run(inputs, outputs)

    def warm_up(self, max_batch: int) -> int:
        """Run batches and read an image, so that no client waits for what is done once.

        Gives the most rows that a batch should have: on a CPU those with which a row takes the least time.
        """
        most = max_batch
        if self.one_thread is not None and self.open_batch:
            most = self._best_batch(self.one_thread, max_batch)
        sizes = sorted({1, most}) if self.open_batch else [self.fixed_batch or 1]
        for size in sizes:
            with contextlib.suppress(RunError):  # a model whose inputs cannot be generated
                self.session.run(random_inputs(self.session, batch=size, size=None, seed=0))
        if self.classifier is not None:
            png = io.BytesIO()
            Image.new("RGB", (64, 64)).save(png, "PNG")
            with contextlib.suppress(RunError):  # a model that takes images of other sizes
                self.read_image(png.getvalue())
        return most

    def _best_batch(self, session: Session, max_batch: int) -> int:
        best, least, size = 1, math.inf, 1
        while size <= max_batch:
            try:
                inputs = random_inputs(session, batch=size, size=None, seed=0)
                row = min(_thread_seconds(partial(session.run, inputs)) for _ in range(2)) / size
            except RunError:  # a model whose inputs cannot be generated
                return max_batch
            least = min(row, least)
            if row <= _AS_FAST * least:
                best = size
            elif row > _SLOWER * least:
                break  # its values no longer fit the caches
            size *= 2
            if 2 * size * row > _MOST_SECONDS:
                break
        return best

    def read_image(self, data: bytes) -> Array:
        """The row ``[1, ..]`` of an encoded image as the model takes it, as for ``resdsl predict``.

        Raises ``RunError`` for what is no image, and ``Refusal`` for a model that takes none.
        """
        if self.classifier is None:
            raise Refusal(
                Reason.INVALID, self.why_no_images, helps=("send tensors to the address that ends with `/infer`",)
            )
        (view,) = self.classifier.read(Item("the image", partial(_decoded, data)))
        return view[np.newaxis]


def _thread_seconds(act: Callable[[], object]) -> float:
    """What ``act`` takes of this thread: the time of other work on the machine is no part of it."""
    start = time.thread_time()
    act()
    return time.thread_time() - start


def _decoded(data: bytes, max_pixels: int) -> Any:
    return decode_image(data, "the image", max_pixels=max_pixels)


class Served:
    """A version of a model that takes requests: ``Loaded``, its batcher, and the count of its requests."""

    def __init__(self, name: str, version: int, loaded: Loaded, batcher: Batcher, max_batch: int) -> None:
        self.name = name
        self.version = version
        self.loaded = loaded
        self.batcher = batcher
        self._max_batch = max_batch
        self.requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """While the block runs, a request needs this version: it is not closed."""
        self.requests += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.requests -= 1
            if not self.requests:
                self._idle.set()

    async def retire(self) -> None:
        """Close it once its last request is answered."""
        await self._idle.wait()
        await self.batcher.close()

    async def infer(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Mapping[str, Array]:
        """The values of ``outputs`` (none: all). Raises ``Refusal`` for inputs that do not fit, and ``RunError``."""
        names = self._names(outputs)
        return await self.batcher.submit(inputs, names, self._rows(inputs))

    def _names(self, outputs: Sequence[str]) -> tuple[str, ...]:
        known = [port.name for port in self.loaded.outputs]
        for name in outputs:
            if name not in known:
                raise Refusal(
                    Reason.INVALID,
                    f"`{self.name}` has no output `{printable(name)}`",
                    helps=(f"its outputs are {', '.join(known)}",),
                )
        return tuple(outputs) or tuple(known)

    def _rows(self, inputs: Mapping[str, Array]) -> int:
        """The rows of a request whose inputs fit the model."""
        ports = {port.name: port for port in self.loaded.inputs}
        for name in inputs:
            if name not in ports:
                raise Refusal(
                    Reason.INVALID,
                    f"`{self.name}` has no input `{printable(name)}`",
                    helps=(f"its inputs are {', '.join(ports)}",),
                )
        for name, port in ports.items():
            if name not in inputs:
                raise Refusal(Reason.INVALID, f"the input `{name}` of `{self.name}` is missing")
            shape = inputs[name].shape
            fits = len(shape) == len(port.shape) and all(
                want in (OPEN, size) for want, size in zip(port.shape, shape, strict=True)
            )
            if not fits:
                raise Refusal(
                    Reason.INVALID,
                    f"the input `{name}` is {printable_shape(shape)}, and `{self.name}` takes {list(port.shape)}",
                    helps=("-1 is a size that a request chooses",),
                )
        rows = {array.shape[0] if array.ndim else 0 for array in inputs.values()}
        if len(rows) > 1 and self.loaded.open_batch:
            raise Refusal(Reason.INVALID, "the inputs have different first sizes, which is that of the batch")
        if 0 in rows and self.loaded.open_batch:
            raise Refusal(Reason.INVALID, "the batch is empty")
        if self.loaded.open_batch and max(rows) > self._max_batch:
            raise Refusal(
                Reason.INVALID,
                f"the batch has {max(rows)} rows, and the limit is {self._max_batch}",
                helps=("send several requests, or raise the limit with `--max-batch`",),
            )
        return max(rows, default=1)


def _port(port: Port, model: str) -> ServedPort:
    kind = datatype(port.dtype)
    if kind is None or kind == "BF16":
        raise RunError.of(
            catalogue.NOT_SERVED,
            f"`{port.name}` of `{model}` is a `{port.dtype}`, which requests cannot hold",
            helps=("change the model so that its inputs and outputs are tensors of other types",),
        )
    return ServedPort(port.name, kind, tuple(size if isinstance(size, int) else OPEN for size in port.shape))
