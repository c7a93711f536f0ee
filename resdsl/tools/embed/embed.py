"""Embeddings of images: the values of one layer of a model, one vector for each image."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from resdsl.compiler.models import Build, Model, model_files
from resdsl.compiler.options import INFERENCE
from resdsl.compiler.sessions import last_features, open_file
from resdsl.inputs import as_one_run
from resdsl.ray.cluster import Cluster
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.images import MAX_PIXELS
from resdsl.runtime.results import Pool
from resdsl.runtime.rows import PredictOptions
from resdsl.runtime.session import Session
from resdsl.runtime.sources import Source
from resdsl.specification.load import NetworkOptions
from resdsl.tools.predict.on_cluster import write_on_cluster
from resdsl.tools.predict.predict import write_results
from resdsl.tools.predict.written import Written


@as_one_run
def embed(
    target: str | os.PathLike[str],
    model: str | os.PathLike[str],
    images: Source | Iterable[Source],
    *,
    layer: str | None = None,
    pool: Pool = "avg",
    device: str | DeviceOptions = "auto",
    threads: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    format: str | None = None,
    resume: bool = False,
    cluster: Cluster | None = None,
    column: str | None = None,
    batch_size: int = 8,
    crops: int = 1,
    scales: Sequence[int] = (),
    readers: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Written:
    """Write the embedding of each image to the file ``target``: Parquet, NumPy or JSON Lines, by its suffix.

    With ``cluster`` (``resdsl.ray.Cluster``), ``target`` is a folder of partitions, as for ``resdsl.predict_to``.

    ``layer`` is a value, a layer or a scope of the model (``flatten``, ``layer3.5.add``, ``layer4``); by default the
    value of which the last layer makes the classes. ``pool`` makes one value for each channel of maps ``[channels,
    height, width]``: their mean (``avg``), their maximum (``max``), or, with ``none``, all of them. Embeddings have
    the type that the layer computes in. To get them as results, without a file, use ``resdsl.predict`` with
    ``output`` and ``pool``; the other arguments are those of ``resdsl.predict_to``.

    Raises ``RunError`` if there is no such layer, and as ``resdsl.predict_to``.
    """
    build = Build(replace(INFERENCE, weights=weights), NetworkOptions(set=set))
    wanted = DeviceOptions.of(device, threads)
    here = wanted if cluster is None else DeviceOptions("cpu", 1)
    with open_layer(model, layer, device=here, build=build) as (session, file, output):
        options = PredictOptions(
            output=output,
            pool=pool,
            column=column,
            batch_size=batch_size,
            crops=crops,
            scales=tuple(scales),
            readers=readers,
            max_pixels=max_pixels,
        )
        if cluster is not None:
            return write_on_cluster(
                os.fspath(target),
                session,
                file,
                images,
                cluster,
                device=wanted,
                format=format,
                resume=resume,
                **options,
            )
        return write_results(Path(target), session, file, images, format=format, resume=resume, **options)


@contextmanager
def open_layer(
    model: Model,
    layer: str | None,
    *,
    device: DeviceOptions,
    build: Build,
) -> Iterator[tuple[Session, Path, str]]:
    """A session whose outputs include ``layer``, the model file, and the layer's name."""
    with model_files([(model, build)]) as (compiled,):
        output = last_features(compiled) if layer is None else layer
        yield open_file(compiled, device=device, output=output), compiled.file, output
