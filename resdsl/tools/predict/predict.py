"""Classify images or extract features with a model: as a stream of results, or to a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Unpack

import numpy as np

from resdsl.compiler.models import Build
from resdsl.compiler.options import INFERENCE
from resdsl.compiler.sessions import open_model
from resdsl.inputs import as_one_run, record_input
from resdsl.ray.cluster import Cluster
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.item import Item
from resdsl.runtime.results import Result
from resdsl.runtime.rows import PredictOptions, Results, classifier_of, results_of
from resdsl.runtime.session import Session
from resdsl.runtime.sources import Source, items_of
from resdsl.specification.load import NetworkOptions
from resdsl.tools.predict.on_cluster import write_on_cluster
from resdsl.tools.predict.resumable import digest_of
from resdsl.tools.predict.sinks import format_of, sink
from resdsl.tools.predict.written import Written


def predict(
    model: str | os.PathLike[str] | Session,
    images: Source | Iterable[Source],
    *,
    device: str | DeviceOptions = "auto",
    threads: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    **options: Unpack[PredictOptions],
) -> Results:
    """A result for each image, in input order, as soon as it is there: a ``Prediction``, ``Features`` or a ``Failure``.

    ``model`` is an ONNX file, an open session, or a specification (a ``.res`` file or the name of a built-in network),
    which is compiled with ``weights`` and the arguments ``set``. Preprocessing and labels come from its metadata.

    ``images`` are files, folders, glob patterns, ``.npy`` files, ``-`` for standard input, Pillow images and arrays
    (see ``resdsl.runtime.sources.items_of``). An image that cannot be read is a ``Failure``; the others are processed.
    Threads read images while the model runs a batch, at most two batches in advance, so memory does not grow with the
    number of images.

    A result has the ``top`` classes, or with ``output`` the values of that output of the model, or of a value inside
    it. Probabilities are the output ``probabilities`` of a model that has it, otherwise the softmax of its last output
    ``[N, classes]``. ``crops = 10`` averages over the centre and the corners of the image and their mirror images, as
    Krizhevsky et al. 2012, sec. 4.1; ``scales`` over the whole image, resized to each of these short sides, as He et
    al. 2015, arXiv:1512.03385, sec. 3.4, for a model whose input has a symbolic height and width.

    ``device`` is ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``tensorrt``, or ``DeviceOptions``; a device that cannot be
    used is an error, never replaced.

    Raises, before the first image is read, ``resdsl.RunError`` for a model that cannot be read, is not an image
    classifier or does not support the options, its subclass ``UnavailableError`` if the device or ONNX Runtime cannot
    be used, and ``CompileError`` for a specification or weights with errors.
    """
    if isinstance(model, Session):
        return session_results(model, images, **options)
    build = Build(replace(INFERENCE, weights=weights), NetworkOptions(set=set))
    output = options.get("output")
    with open_model(model, device=device, threads=threads, build=build, output=output) as (session, _):
        return session_results(session, images, **options)


@as_one_run
def predict_to(
    target: str | os.PathLike[str],
    model: str | os.PathLike[str],
    images: Source | Iterable[Source],
    *,
    device: str | DeviceOptions = "auto",
    threads: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    format: str | None = None,
    resume: bool = False,
    cluster: Cluster | None = None,
    **options: Unpack[PredictOptions],
) -> Written:
    """Write the results of ``predict`` to the file ``target``, which appears once it is complete.

    ``format`` is ``jsonl``, ``csv``, ``parquet``, ``npy`` (features only) or ``text``; by default it follows from the
    suffix of ``target``. ``resume`` continues the partial file of an interrupted run (jsonl and csv) and keeps a
    complete file; the model, options and images must be the same.

    With ``cluster`` (``resdsl.ray.Cluster``), ``target`` is a folder of partitions, which are written on a Ray cluster,
    as Parquet or jsonl.

    Raises ``RunError`` if the run cannot be resumed, if the format does not fit, or if the file cannot be written, and
    as ``predict``.
    """
    build = Build(replace(INFERENCE, weights=weights), NetworkOptions(set=set))
    output = options.get("output")
    if cluster is not None:
        there = DeviceOptions.of(device, threads)
        with open_model(model, device="cpu", threads=1, build=build, output=output) as (session, file):
            return write_on_cluster(
                os.fspath(target), session, file, images, cluster, device=there, format=format, resume=resume, **options
            )
    with open_model(model, device=device, threads=threads, build=build, output=output) as (session, file):
        return write_results(Path(target), session, file, images, format=format, resume=resume, **options)


def write_results(
    target: Path,
    session: Session,
    model: Path,
    images: Source | Iterable[Source],
    *,
    format: str | None = None,
    resume: bool = False,
    each: Callable[[Result, int], None] = lambda _result, _done: None,
    **options: Unpack[PredictOptions],
) -> Written:
    """As ``predict_to``, with an open session of the file ``model``. ``each`` gets each result and the count so far."""
    output, top = options.get("output"), options.get("top", 5)
    kind = format_of(target, format, output)
    features = classifier_of(session, options).feature_type
    settings = [options.get(name) for name in ("output", "pool", "crops", "scales", "max_pixels")]
    digest = digest_of(model, kind, top, *settings)
    for image in images if isinstance(images, list | tuple) else (images,):
        if isinstance(image, str | os.PathLike) and Path(image).is_file():
            record_input(image)  # before anything is written; images in folders are checked when they are read
    with sink(target, kind, top=top, features=features, digest=digest, resume=resume) as rows:
        resumed = rows.done
        with closing(session_results(session, images, select=rows.skip, **options)) as results:
            for result in results:
                rows.write(result)
                each(result, rows.done)
    return Written(target, kind, rows.done, rows.failed, resumed)


def session_results(
    session: Session,
    images: Source | Iterable[Source],
    *,
    select: Callable[[Iterator[Item]], Iterator[Item]] = iter,
    **options: Unpack[PredictOptions],
) -> Results:
    """The results of ``predict`` with an open session. ``select`` filters images before they are read."""
    classifier = classifier_of(session, options)
    if not _all_preprocessed(images):
        classifier.require_preprocess()
    return results_of(
        classifier, select(items_of(images, null=options.get("null", False), column=options.get("column"))), options
    )


def _all_preprocessed(images: Source | Iterable[Source]) -> bool:
    """Whether all images are arrays that may be preprocessed inputs, so that no preprocessing is needed."""
    if isinstance(images, list | tuple):
        return bool(images) and all(_all_preprocessed(one) for one in images)
    if isinstance(images, np.ndarray):
        return images.dtype != np.uint8
    return isinstance(images, str | os.PathLike) and os.fspath(images).lower().endswith(".npy")
