"""Evaluate a model on a cluster: the counts of parts of the images, added up."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from resdsl.ray.cluster import Cluster, Copies, connected, copies_on
from resdsl.runtime.classifier import Classifier
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.files import ModelFile
from resdsl.runtime.ground_truth import LabelledImage
from resdsl.runtime.labelled import LabelledContainer, labelled_pieces
from resdsl.runtime.results import Failure
from resdsl.runtime.rows import PredictOptions, classifier_of
from resdsl.runtime.session import Session
from resdsl.tools.evaluate.scores import Evaluation, Score, score

Part = tuple[LabelledImage, ...] | LabelledContainer
Counted = tuple[Evaluation, tuple[Failure, ...]]

_MOST_FAILURES = 100


@dataclass(frozen=True, slots=True)
class EvaluateJob:
    """Counts the correct results of parts: a job for a cluster."""

    options: PredictOptions

    @property
    def output(self) -> None:
        return None

    def start(self, session: Session) -> Callable[[Part], Counted]:
        """What evaluates a part, with a session of the model."""
        return partial(self._run, classifier_of(session, self.options))

    def _run(self, classifier: Classifier, part: Part) -> Counted:
        failures: list[Failure] = []

        def each(failure: Failure | None, _done: int) -> None:
            if failure is not None and len(failures) < _MOST_FAILURES:
                failures.append(failure)

        batch_size, readers = self.options.get("batch_size", 8), self.options.get("readers")
        images = part if isinstance(part, tuple) else part.items()
        evaluation = score(classifier, images, batch_size=batch_size, readers=readers, each=each)
        return evaluation, tuple(failures)


def evaluate_on_cluster(
    folder: str | os.PathLike[str] | None,
    truth: str | os.PathLike[str] | None,
    model: tuple[Session, Path],
    cluster: Cluster,
    options: PredictOptions,
    *,
    device: DeviceOptions,
    label_column: str | None = None,
    begin: Callable[[Copies], None] = lambda _copies: None,
    each: Callable[[Failure | None, int], None] = lambda _failure, _done: None,
) -> Evaluation:
    """As ``evaluate``, on ``cluster``, with an open session of a model file, to check the options with.

    ``each`` gets the failures of each part, at most 100 of them, and the images so far.
    """
    from resdsl.ray.job import run_tasks  # loads Ray

    session, file = model
    classifier = classifier_of(session, options)
    classifier.require_preprocess()
    column = options.get("column")
    images = labelled_pieces(classifier, folder, truth, column=column, label_column=label_column)
    batch = max(classifier.batch_size(options.get("batch_size", 8)) // classifier.views, 1)
    size = -(-cluster.partition // batch) * batch
    with connected(cluster):
        copies = copies_on(cluster, device)
        begin(copies)
        options["readers"] = options.get("readers") or copies.threads
        total: Evaluation | None = None
        results = run_tasks(_parts(images, size), EvaluateJob(options), ModelFile(session.name, file), copies)
        for evaluation, failures in results:
            total = evaluation if total is None else added(total, evaluation)
            for failure in (*failures, None):
                each(failure, total.images + total.failed)
    return total or Evaluation(Score(0, 0), None, {}, tuple(classifier.labels), 0)


def _parts(pieces: Iterable[LabelledImage | LabelledContainer], size: int) -> Iterator[Part]:
    images: list[LabelledImage] = []
    for piece in pieces:
        if isinstance(piece, tuple):
            images.append(piece)
        if images and (len(images) == size or not isinstance(piece, tuple)):
            yield tuple(images)
            images = []
        if not isinstance(piece, tuple):
            yield from piece.parts(size)
    if images:
        yield tuple(images)


def added(a: Evaluation, b: Evaluation) -> Evaluation:
    """The evaluation of the images of both, by the same model."""
    # A part without a classified image does not know whether there are more than five classes.
    top5 = a.top5 and b.top5 and _sum(a.top5, b.top5)
    if top5 is None:
        top5 = a.top5 if not b.images else b.top5 if not a.images else None
    counts = dict(sorted((Counter(a.counts) + Counter(b.counts)).items()))
    return Evaluation(_sum(a.top1, b.top1), top5, counts, a.labels, a.failed + b.failed)


def _sum(a: Score, b: Score) -> Score:
    return Score(a.hits + b.hits, a.images + b.images)
