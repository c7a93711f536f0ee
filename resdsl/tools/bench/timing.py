"""Time models: loading, the first run, and interleaved runs, so that other load on the machine affects all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median, quantiles
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.binding import Binding
from resdsl.runtime.device import DeviceOptions, nvidia_driver, parse_device
from resdsl.runtime.files import ModelFile
from resdsl.runtime.inputs import random_inputs
from resdsl.runtime.metadata import macs_of_image
from resdsl.runtime.processor import processor
from resdsl.runtime.session import Session, open_session
from resdsl.tools.bench.layer_times import count_macs
from resdsl.tools.bench.memory import peak_memory

Array = npt.NDArray[Any]

MakeProduct = Callable[[int], bytes]
"""Makes a model of one linear layer without bias, with this number of input and output features."""

_FEWEST_ROUNDS = 5
_LOADS = 4
_MOST_ROUNDS = 100_000
# After a run, threads of a session spin for a while and would slow down the next session.
_INTERLEAVED = {"session.force_spinning_stop": "1"}


@dataclass(frozen=True, slots=True)
class Spread:
    """The median and the quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        low, middle, high = quantiles(numbers, n=4, method="inclusive") if len(numbers) > 1 else 3 * [numbers[0]]
        return cls(middle, low, high)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One model at one batch size and thread count. Times are in seconds for a whole batch.

    ``device`` ran it, for the ``reason``; ``placement`` is the number of nodes for each provider. ``load`` is the time
    to open the model, ``first`` its first run at this batch size; the percentiles are of ``rounds`` runs after the
    warm-up, with inputs and outputs in the memory of the device. ``memory`` is ``peak_memory``. ``ratio`` is the time
    relative to the first model, run by run.

    ``macs`` are the multiply-accumulates of the batch, ``None`` if unknown; ``peak`` are those per second of the
    fastest matrix product between these runs.
    """

    model: str
    device: str
    reason: str
    placement: Mapping[str, int]
    batch: int
    threads: int
    load: float
    first: float
    p50: float
    p90: float
    p99: float
    rounds: int
    memory: int | None
    ratio: Spread
    macs: int | None
    peak: float | None

    @property
    def images_per_second(self) -> float:
        return self.batch / self.p50

    @property
    def macs_per_second(self) -> float | None:
        return None if self.macs is None else self.macs / self.p50


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: every model at each of ``batches`` and ``threads`` (``None``: all available CPUs).

    Each model runs for ``seconds`` after ``warmup`` runs that are not counted; ``size`` is the height and width of
    images where a model leaves them symbolic. Inputs are random, from ``seed``. ``product`` makes the model that
    measures the peak of the device (see ``MatrixProduct``).
    """

    batches: tuple[int, ...] = (1,)
    threads: tuple[int | None, ...] = (None,)
    seconds: float = 3.0
    warmup: int = 3
    size: tuple[int, int] | None = None
    seed: int = 0
    product: MakeProduct | None = None


def measure(
    models: Sequence[ModelFile],
    plan: Plan,
    *,
    device: DeviceOptions,
    started: Callable[[str], object] = lambda _: None,
) -> Iterator[Measurement]:
    """Measure models, interleaved, for each batch size and thread count.

    Their order alternates between rounds. ``started`` gets a description of the next step. Raises ``RunError`` if a
    model cannot be opened, or cannot run at a batch size.
    """
    for threads in plan.threads:
        options = replace(device, threads=threads)
        started(f"loading, {threads or processor().threads} threads")
        loaded = _loaded(models, options)
        product = None if plan.product is None else MatrixProduct(plan.product, options)
        for batch in plan.batches:
            started(f"batch {batch}, {threads or processor().threads} threads")
            yield from _measured(loaded, batch, plan, product)


class MatrixProduct:
    """A product of square matrices, which measures the peak of a device."""

    def __init__(self, make: MakeProduct, device: DeviceOptions) -> None:
        features = _features(device)
        self._session = open_session(make(features), device=device, name="a matrix product", entries=_INTERLEAVED)
        self._binding = self._session.bind(random_inputs(self._session, batch=features, size=None, seed=0))
        self.macs = features**3

    def run(self) -> float:
        """The seconds of one product."""
        return _timed(self._session, self._binding)

    def peak(self, seconds: float = 1.0) -> float:
        """The multiply-accumulates per second of the fastest product within ``seconds``."""
        times: list[float] = []
        while sum(times) < seconds or len(times) < _FEWEST_ROUNDS:
            times.append(self.run())
        return self.macs / min(times)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """A model in memory. ``seconds`` is the time to open it."""

    model: ModelFile
    options: DeviceOptions
    session: Session
    seconds: float


@dataclass(frozen=True, slots=True)
class _Ready:
    """A model with inputs of one batch size, after its first run."""

    loaded: _Loaded
    binding: Binding
    first: float
    memory: int | None
    macs: int | None

    @classmethod
    def of(cls, loaded: _Loaded, batch: int, plan: Plan) -> _Ready:
        feeds = random_inputs(loaded.session, batch=batch, size=plan.size, seed=plan.seed)
        binding = loaded.session.bind(feeds)
        first = _timed(loaded.session, binding)
        memory = peak_memory(loaded.model.file, loaded.options, batch=batch, size=plan.size)
        return cls(loaded, binding, first, memory, _macs(loaded, feeds, batch))


def _loaded(models: Sequence[ModelFile], options: DeviceOptions) -> list[_Loaded]:
    """The models, each opened several times, interleaved; the last session of each is kept."""
    times: list[list[float]] = [[] for _ in models]
    for _ in range(_LOADS):
        sessions = []
        for model, taken in zip(models, times, strict=True):
            start = time.perf_counter()
            sessions.append(open_session(model.file, device=options, name=model.name, entries=_INTERLEAVED))
            taken.append(time.perf_counter() - start)
    # The first time includes loading ONNX Runtime's libraries and reading from disk.
    return [
        _Loaded(model, options, session, median(taken[1:]))
        for model, session, taken in zip(models, sessions, times, strict=True)
    ]


def _measured(
    models: Sequence[_Loaded], batch: int, plan: Plan, product: MatrixProduct | None
) -> Iterator[Measurement]:
    ready = [_Ready.of(loaded, batch, plan) for loaded in models]
    for _ in range(plan.warmup):
        for one in ready:
            one.loaded.session.run_bound(one.binding)
    times, products = _interleaved(ready, product, plan.seconds * len(ready))
    for one, taken in zip(ready, times, strict=True):
        session = one.loaded.session
        p90, p99 = (float(value) for value in np.percentile(taken, (90, 99)))
        yield Measurement(
            model=session.name,
            device=str(session.device),
            reason=session.reason,
            placement=session.placement,
            batch=batch,
            threads=session.options.threads or processor().threads,
            load=one.loaded.seconds,
            first=one.first,
            p50=median(taken),
            p90=p90,
            p99=p99,
            rounds=len(taken),
            memory=one.memory,
            ratio=Spread.of([its / base for its, base in zip(taken, times[0], strict=True)]),
            macs=one.macs,
            peak=product.macs / min(products) if product is not None else None,
        )


def _interleaved(
    ready: Sequence[_Ready], product: MatrixProduct | None, seconds: float
) -> tuple[list[list[float]], list[float]]:
    """The times of all models in rounds for ``seconds``, and those of the product, which runs once in each round."""
    times: list[list[float]] = [[] for _ in ready]
    products: list[float] = []
    order = list(zip(ready, times, strict=True))
    while len(times[0]) < _MOST_ROUNDS and (sum(map(sum, times)) < seconds or len(times[0]) < _FEWEST_ROUNDS):
        for one, taken in order:
            taken.append(_timed(one.loaded.session, one.binding))
        if product is not None:
            products.append(product.run())
        order.reverse()
    return times, products


def _features(device: DeviceOptions) -> int:
    """The size of the matrices: large enough to use the whole device, small enough to be rarely interrupted."""
    if parse_device(device.device).kind != "cpu" and nvidia_driver().gpus:
        return 4096
    threads = device.threads or processor().threads
    return 512 if threads <= 4 else 1024 if threads <= 32 else 2048


def _timed(session: Session, binding: Binding) -> float:
    start = time.perf_counter()
    session.run_bound(binding)
    return time.perf_counter() - start


def _macs(loaded: _Loaded, feeds: Mapping[str, Array], batch: int) -> int | None:
    """The multiply-accumulates of the batch: from the model's metadata, or counted."""
    macs = macs_of_image(loaded.session.metadata)
    if macs is not None:
        return macs * batch
    try:
        return count_macs(loaded.model.file, feeds, device=replace(loaded.options, cuda_graphs=False)) or None
    except RunError as error:
        if error.diagnostic.code in (catalogue.RUN_FAILED, catalogue.DEVICE_UNUSABLE):
            return None
        raise
