"""Evaluate a model on labelled images: accuracy and confusion matrix."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from resdsl.compiler.models import Build
from resdsl.compiler.options import INFERENCE
from resdsl.compiler.sessions import open_model
from resdsl.files import write_file
from resdsl.inputs import as_one_run, record_input
from resdsl.ray.cluster import Cluster
from resdsl.runtime.classifier import Classifier
from resdsl.runtime.csv_lines import csv_line
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.images import MAX_PIXELS
from resdsl.runtime.labelled import labelled_images
from resdsl.runtime.results import Failure
from resdsl.runtime.rows import PredictOptions
from resdsl.runtime.session import Session
from resdsl.specification.load import NetworkOptions
from resdsl.tools.evaluate.on_cluster import evaluate_on_cluster
from resdsl.tools.evaluate.scores import Evaluation, score


def evaluate(
    model: str | os.PathLike[str] | Session,
    folder: str | os.PathLike[str] | None = None,
    *,
    truth: str | os.PathLike[str] | None = None,
    column: str | None = None,
    label_column: str | None = None,
    device: str | DeviceOptions = "auto",
    threads: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    batch_size: int = 8,
    crops: int = 1,
    scales: Sequence[int] = (),
    readers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    cluster: Cluster | None = None,
    each: Callable[[Failure | None, int], None] = lambda _failure, _done: None,
) -> Evaluation:
    """Top-1 and top-5 accuracy of a model, and its confusion matrix.

    The images are in ``folder``, one subfolder for each class, or listed in the CSV file ``truth`` with the columns
    ``path`` (relative to the file) and ``label``. ``folder`` may also be a Parquet file with the columns ``column`` of
    images and ``label_column`` of labels (by default found by type and by name), an archive of WebDataset, or a folder
    of such files; and an address in a store. Classes are named by label, index, or WordNet ID if the model has the
    labels of ImageNet. ``each`` gets the failure of each image, if any, and the number of images so far; other
    arguments are as for ``resdsl.predict_to``. On a ``cluster``, ``model`` is a file or a specification, no session.

    Raises ``ValueError`` unless exactly one of ``folder`` and ``truth`` is given, ``RunError`` for an unknown class,
    and as ``resdsl.predict``.
    """
    if (folder is None) == (truth is None):
        raise ValueError("pass either `folder` or `truth`")
    files = [Path(path) for path in (truth, weights) if path is not None]
    if not isinstance(model, Session):
        files.append(Path(model))
        build = Build(replace(INFERENCE, weights=weights), NetworkOptions(set=set))
        if cluster is not None:
            options = PredictOptions(
                column=column,
                batch_size=batch_size,
                crops=crops,
                scales=scales,
                readers=readers,
                max_pixels=max_pixels,
            )
            there = DeviceOptions.of(device, threads)
            with open_model(model, device="cpu", threads=1, build=build) as opened:
                evaluation = evaluate_on_cluster(
                    folder, truth, opened, cluster, options, device=there, label_column=label_column, each=each
                )
            return replace(evaluation, files=tuple(files))
        with open_model(model, device=device, threads=threads, build=build) as (session, _):
            model = session
    classifier = Classifier.of(model, max_pixels=max_pixels).with_views(crops, tuple(scales))
    classifier.require_preprocess()
    images = labelled_images(classifier, folder, truth, column=column, label_column=label_column)
    evaluation = score(classifier, images, batch_size=batch_size, readers=readers, each=each)
    return replace(evaluation, files=tuple(files))


@as_one_run
def write_confusion(evaluation: Evaluation, target: str | os.PathLike[str]) -> None:
    """Write the confusion matrix as CSV: a row for each label, a column for each predicted class.

    Classes without images or predictions are left out. Raises ``OutputError`` if the file cannot be written, or is one
    that the evaluation is of.
    """
    for file in evaluation.files:
        record_input(file)
    indices = sorted({index for pair in evaluation.counts for index in pair})
    lines = [csv_line(["truth", *map(evaluation.name, indices)])]
    for label in indices:
        counts = [evaluation.counts.get((label, predicted), 0) for predicted in indices]
        lines.append(csv_line([evaluation.name(label), *counts]))
    write_file(Path(target), b"".join(lines))
