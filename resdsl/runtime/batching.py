"""Run a classifier on a stream of images, in batches, while threads read the next images."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.runtime.classifier import Array, Classifier
from resdsl.runtime.item import Item
from resdsl.runtime.prefetch import prefetch
from resdsl.runtime.processor import processor
from resdsl.runtime.results import Failure

_MOST_READERS = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """The probabilities ``[classes]`` or features of one item, or why there are none.

    ``seconds`` is the item's share of the time that its batch took to run.
    """

    item: Item
    values: Array | Failure
    seconds: float


def run_images(
    classifier: Classifier, items: Iterable[Item], *, batch_size: int, readers: int | None = None
) -> Generator[Answer, None, None]:
    """An answer for each item, in order. Images that cannot be read leave their places in a batch empty.

    ``readers`` threads (if ``None``: one for each available processor, at most 8) read and preprocess the next images
    while a batch runs, at most two batches in advance: memory does not grow with the number of images. Raises
    ``UnavailableError`` if the device fails; other failures are the answers of single items.
    """
    size = classifier.batch_size(batch_size)
    images_at_once = max(size // classifier.views, 1)
    threads = readers or min(processor().threads, _MOST_READERS)
    batch: list[_Input] = []
    inputs = prefetch(_reader(classifier), items, threads=threads, depth=2 * images_at_once + threads)
    with closing(inputs):
        for one in inputs:
            place = one.item.place
            if len(batch) == images_at_once or (batch and place is not None and place % images_at_once == 0):
                yield from _run(classifier, batch, size)
                batch = []
            batch.append(one)
    yield from _run(classifier, batch, size)


@dataclass(frozen=True, slots=True)
class _Input:
    """An item and its views as the model takes them, or why it could not be read."""

    item: Item
    views: list[Array] | Failure


def _reader(classifier: Classifier) -> Callable[[Item], _Input]:
    def read(item: Item) -> _Input:
        try:
            return _Input(item, classifier.read(item))
        except UnavailableError:
            raise  # not the image is at fault: its store does not answer
        except RunError as error:
            return _Input(item, Failure(item.name, error.diagnostic))

    return read


def _run(classifier: Classifier, batch: Sequence[_Input], size: int) -> Iterator[Answer]:
    """The answers of one batch, with the failures between its images in their places."""
    ready = [one.views for one in batch if not isinstance(one.views, Failure)]
    failed: RunError | None = None
    values: Iterator[Array] = iter(())
    start = time.perf_counter()
    if ready:
        try:
            values = iter(classifier.run(ready, size))
        except UnavailableError:
            raise  # the next batch would fail too
        except RunError as error:
            failed = error
    seconds = (time.perf_counter() - start) / max(len(ready), 1)
    for one in batch:
        if isinstance(one.views, Failure):
            yield Answer(one.item, one.views, 0.0)
        elif failed:
            yield Answer(one.item, Failure(one.item.name, failed.diagnostic), 0.0)
        else:
            yield Answer(one.item, checked(classifier, one.item.name, next(values)), seconds)


def checked(classifier: Classifier, name: str, values: Array) -> Array | Failure:
    """The values of the image ``name``, or a failure if they are not finite."""
    if np.isfinite(values).all():
        return values
    message = f"the output of `{classifier.session.name}` for `{name}` has values that are NaN or infinite"
    advice = "check the weights: they may have overflowed or belong to another network"
    return Failure(name, Diagnostic(catalogue.RUN_FAILED, message, helps=(advice,)))
