"""Results of images: the classes or features that a session computes for each."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from typing import TypedDict

import numpy as np

from resdsl.ir.preprocess import Preprocess
from resdsl.runtime.batching import run_images
from resdsl.runtime.classifier import Array, Classifier
from resdsl.runtime.images import MAX_PIXELS
from resdsl.runtime.item import Item
from resdsl.runtime.results import Failure, Features, Pool, Prediction, Ranked, Result
from resdsl.runtime.session import Session

Results = Generator[Result, None, None]


class PredictOptions(TypedDict, total=False):
    """Options of ``predict``, with their defaults.

    ``top = 5``: the number of classes. ``output``: the output or inner value of the model to return as features, and
    ``pool = "none"``, ``"avg"`` or ``"max"``: how those that are maps become one value for each channel.
    ``batch_size = 8``: images that run at once, if the batch size of the model is symbolic. ``crops = 1`` or 10, and
    ``scales``: the views of an image to average over. ``readers``: threads that read images (default: one for each
    available processor, at most 8). ``null``: paths on standard input end with a zero byte. ``column``: the column of
    Parquet files that has the images or their paths (default: found by type and name). ``max_pixels``: the limit
    for an image. ``preprocess`` and ``labels`` replace those of the model's metadata.
    """

    top: int
    output: str | None
    pool: Pool
    batch_size: int
    crops: int
    scales: Sequence[int]
    readers: int | None
    null: bool
    column: str | None
    max_pixels: int
    preprocess: Preprocess | None
    labels: Sequence[str] | None


def classifier_of(session: Session, options: PredictOptions) -> Classifier:
    """The classifier that ``options`` describe. Raises ``RunError`` for options that the model does not allow."""
    classifier = Classifier.of(
        session,
        output=options.get("output"),
        preprocess=options.get("preprocess"),
        labels=options.get("labels"),
        max_pixels=options.get("max_pixels", MAX_PIXELS),
        pool=options.get("pool", "none"),
    )
    return classifier.with_views(options.get("crops", 1), tuple(options.get("scales", ())))


def results_of(classifier: Classifier, items: Iterable[Item], options: PredictOptions) -> Results:
    """A result for each item, in order, as ``run_images`` gives its answer."""
    device, output, views = str(classifier.session.device), classifier.output.name, classifier.views
    batch_size, readers = options.get("batch_size", 8), options.get("readers")
    with closing(run_images(classifier, items, batch_size=batch_size, readers=readers)) as answers:
        for answer in answers:
            name, values, seconds = answer.item.name, answer.values, answer.seconds
            if isinstance(values, Failure):
                yield values
            elif classifier.features:
                yield Features(name, output, values, device, seconds, views)
            else:
                classes = ranked(classifier.labels, values, options.get("top", 5))
                yield Prediction(name, classes, device, seconds, views)


def ranked(labels: Sequence[str], values: Array, top: int) -> tuple[Ranked, ...]:
    """The ``top`` classes of probabilities ``[classes]``, the most probable first."""
    # Stable, so that equally probable classes are in the order of their indices.
    order = np.argsort(-values, kind="stable")[: max(top, 0)]
    return tuple(
        Ranked(int(index), float(values[index]), labels[index] if index < len(labels) else None) for index in order
    )
