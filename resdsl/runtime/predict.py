"""What a model sees in images, one row for each."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.ir.preprocess import Preprocess
from resdsl.runtime.ahead import in_threads
from resdsl.runtime.images import MAX_PIXELS
from resdsl.runtime.network import Array, Network
from resdsl.runtime.processor import processor
from resdsl.runtime.rows import Failure, Features, Prediction, Ranked, Row
from resdsl.runtime.session import Session
from resdsl.runtime.sources import Item, Source, items_of

_MOST_READERS = 8


Rows = Generator[Row, None, None]


def predict(
    session: Session,
    images: Source | Iterable[Source],
    *,
    top: int = 5,
    output: str | None = None,
    batch_size: int = 8,
    crops: int = 1,
    scales: Sequence[int] = (),
    readers: int | None = None,
    null: bool = False,
    preprocess: Preprocess | None = None,
    labels: Sequence[str] | None = None,
    max_pixels: int = MAX_PIXELS,
    select: Callable[[Iterator[Item]], Iterator[Item]] = iter,
) -> Rows:
    """One row for each image that ``images`` stand for (see ``items_of``), in their order, as they are done.

    A row is a ``Prediction`` of the ``top`` classes; with ``output``, the name of one of the model's outputs, the
    ``Features`` that it gives. An image that cannot be read or run is a ``Failure``; the others go on.

    ``batch_size`` images run at once if the model's input leaves that open. Meanwhile ``readers`` threads read and
    prepare the next ones (if not said: as many as processors, and at most 8), not more than two batches ahead:
    however many images there are, the memory is that of these. ``preprocess`` and ``labels`` stand in for what the
    model's metadata says; ``select`` leaves out images before they are read.

    The probabilities are the output ``probabilities`` of a model that has it, else the softmax of its last output
    ``[N, classes]``. (Whether other outputs are probabilities already cannot be told from their values: logits too
    may be positive and sum to 1.)

    With ``crops = 10`` the answer is the mean over the centre and corners of the image and their mirror images, as
    Krizhevsky et al. 2012, sec. 4.1, test. With ``scales`` it is the mean over the whole image, resized so that its
    short side has each of these lengths in turn, as He et al. 2015, arXiv:1512.03385, sec. 3.4, test a network in its
    fully convolutional form: its input leaves height and width open.

    Raises ``RunError``, before the first image is read, where no image could be run: a model that takes no image
    or makes no classes, or does not say how an image becomes its input, or says so in metadata that cannot be
    understood, or that cannot be tested in the way asked for. Raises ``UnavailableError`` where the device fails or
    its memory is too small.
    """
    network = Network.of(session, output=output, preprocess=preprocess, labels=labels, max_pixels=max_pixels)
    network = network.with_views(crops, tuple(scales))
    if not _all_prepared(images):
        network.require_preprocess()
    return _rows(network, select(items_of(images, null=null)), top, batch_size, readers)


def answers(
    network: Network, items: Iterable[Item], *, batch_size: int, readers: int | None = None
) -> Generator[tuple[Item, Array | Failure, float], None, None]:
    """For each item the probabilities ``[classes]`` or features, or why there are none; the seconds that it ran."""
    size = network.batch_size(batch_size)
    at_once = max(size // network.views, 1)
    threads = readers or min(processor().threads, _MOST_READERS)
    waiting: list[_Read] = []
    ready = 0
    with closing(in_threads(_reading(network), items, threads=threads, ahead=2 * at_once + threads)) as read:
        for one in read:
            waiting.append(one)
            ready += not isinstance(one.found, Failure)
            # Failures too, which have nothing to wait for, would fill memory.
            if ready == at_once or len(waiting) == 4 * at_once or not ready:
                yield from _answered(network, waiting, size)
                waiting, ready = [], 0
    yield from _answered(network, waiting, size)


@dataclass(frozen=True, slots=True)
class _Read:
    """An item and its views, or why it could not be read."""

    item: Item
    found: list[Array] | Failure


def _reading(network: Network) -> Callable[[Item], _Read]:
    def read(item: Item) -> _Read:
        try:
            return _Read(item, network.read(item))
        except RunError as problem:
            return _Read(item, Failure(item.name, problem.diagnostic))

    return read


def _answered(network: Network, read: Sequence[_Read], size: int) -> Iterator[tuple[Item, Array | Failure, float]]:
    """The results of one batch, with the failures that came between its images in their places."""
    ready = [one.found for one in read if not isinstance(one.found, Failure)]
    problem: RunError | None = None
    values: Iterator[Array] = iter(())
    start = time.perf_counter()
    if ready:
        try:
            values = iter(network.answers(ready, size))
        except UnavailableError:
            raise  # the next batch would meet it too
        except RunError as found:
            problem = found
    seconds = (time.perf_counter() - start) / max(len(ready), 1)
    for one in read:
        if isinstance(one.found, Failure):
            yield one.item, one.found, 0.0
        elif problem:
            yield one.item, Failure(one.item.name, problem.diagnostic), 0.0
        else:
            yield one.item, _finite(network, one.item.name, next(values)), seconds


def _finite(network: Network, name: str, values: Array) -> Array | Failure:
    if np.isfinite(values).all():
        return values
    message = f"`{network.session.name}` gives values that are not numbers for `{name}`"
    way_out = "check its weights: they may have overflowed or not be those of this network"
    return Failure(name, Diagnostic(catalogue.RUN_FAILED, message, helps=(way_out,)))


def _rows(network: Network, items: Iterator[Item], top: int, batch_size: int, readers: int | None) -> Rows:
    device = str(network.session.device)
    with closing(answers(network, items, batch_size=batch_size, readers=readers)) as found:
        for item, values, seconds in found:
            if isinstance(values, Failure):
                yield values
            elif network.features:
                yield Features(item.name, network.output.name, values, device, seconds, network.views)
            else:
                yield Prediction(item.name, _ranked(network, values, top), device, seconds, network.views)


def _ranked(network: Network, values: Array, top: int) -> tuple[Ranked, ...]:
    # Stable, so that equally probable classes come in the order of their indices.
    order = np.argsort(-values, kind="stable")[: max(top, 0)]
    labels = network.labels
    return tuple(
        Ranked(int(index), float(values[index]), labels[index] if index < len(labels) else None) for index in order
    )


def _all_prepared(images: Source | Iterable[Source]) -> bool:
    """Whether nothing needs to be known of how images become inputs: all are arrays, perhaps of inputs."""
    if isinstance(images, list | tuple):
        return bool(images) and all(_all_prepared(one) for one in images)
    if isinstance(images, np.ndarray):
        return images.dtype != np.uint8
    return isinstance(images, str | os.PathLike) and os.fspath(images).lower().endswith(".npy")
