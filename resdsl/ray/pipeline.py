"""A model as a stage of a pipeline of Ray Data."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, Unpack

import numpy as np

from resdsl.compiler.models import Build, Model, model_files
from resdsl.compiler.options import INFERENCE
from resdsl.compiler.sessions import open_file
from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.ray.cluster import ANYWHERE, Cluster, copies_on, require_ray
from resdsl.ray.job import received, shipped
from resdsl.runtime.arrays import image_or_input
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.formats import ParquetTable
from resdsl.runtime.images import decode_image
from resdsl.runtime.item import Item, file_item
from resdsl.runtime.rows import PredictOptions, classifier_of, results_of
from resdsl.specification.load import NetworkOptions


def map_batches(
    dataset: Any,
    model: Model,
    *,
    image: str = "bytes",
    cluster: Cluster = ANYWHERE,
    device: str | DeviceOptions = "auto",
    weights: str | os.PathLike[str] | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    **options: Unpack[PredictOptions],
) -> Any:
    """A ``ray.data.Dataset`` with the results of a model in additional columns, for a pipeline of your own.

    The column ``image`` has encoded images (``bytes``, as ``read_binary_files`` gives them), paths or addresses (text),
    or pixels (``uint8[H, W, 3]``, as ``read_images`` does). The new columns are those of a Parquet file of ``resdsl
    predict``: ``class``, ``label`` and ``probability`` (lists), or with ``output`` ``features``; and ``error``. A row
    whose image cannot be read has an ``error`` and is null in the others. The order of rows is that of the pipeline.

    ``model`` and the other arguments are those of ``resdsl.predict``. Copies of the model run as ``cluster`` says, on
    the cluster that Ray is connected to; the model is compiled here, and sent there.

    Raises as ``resdsl.predict``, and ``UnavailableError`` if the cluster has no room for a copy.
    """
    ray = require_ray()
    if not ray.is_initialized():
        ray.init(address=cluster.address)
    copies = copies_on(cluster, DeviceOptions.of(device))
    with model_files([(model, Build(replace(INFERENCE, weights=weights), NetworkOptions(set=set)))]) as (compiled,):
        # Errors in the options are reported here, and not by a machine of the cluster.
        classifier_of(open_file(compiled, device="cpu", threads=1, output=options.get("output")), options)
        files = shipped(compiled.file)
    options["readers"] = options.get("readers") or copies.threads
    return dataset.map_batches(
        _Stage,
        fn_constructor_args=(compiled.name, files, copies.device, image, options),
        batch_size=max(64, options.get("batch_size", 8)),
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=copies.number),
        num_cpus=copies.threads,
        num_gpus=copies.gpus,
    )


class _Stage:
    """A process with a session, which adds the columns to one batch after another."""

    def __init__(
        self, name: str, files: Mapping[str, Any], device: DeviceOptions, image: str, options: PredictOptions
    ) -> None:
        self._folder, model = received(name, files)
        self._classifier = classifier_of(open_file(model, device=device, output=options.get("output")), options)
        self._image = image
        self._options = options

    def __call__(self, batch: Any) -> Any:
        from pyarrow import parquet

        if self._image not in batch.column_names:
            raise RunError.of(
                catalogue.IMAGE_UNREADABLE,
                f"the data set has no column `{self._image}`",
                helps=(f"its columns are {', '.join(f'`{name}`' for name in batch.column_names)}",),
            )
        items = [replace(_item(value, number), place=number) for number, value in enumerate(batch[self._image])]
        stream = io.BytesIO()
        table = ParquetTable(stream, self._classifier.feature_type)
        for result in results_of(self._classifier, items, self._options):
            table.write(result)
        table.close()
        rows = parquet.read_table(io.BytesIO(stream.getvalue()))
        for name in rows.column_names[1:]:
            batch = batch.append_column(name, rows[name])
        return batch


def _item(value: Any, number: int) -> Item:
    name = f"row {number}"
    value = value.as_py() if hasattr(value, "as_py") else value
    if isinstance(value, str):
        return file_item(value)
    if isinstance(value, bytes):
        return Item(name, partial(_decode, value, name))
    return Item(name, partial(image_or_input, np.asarray(value), name))


def _decode(data: bytes, name: str, max_pixels: int) -> Any:
    return decode_image(data, name, max_pixels=max_pixels)
