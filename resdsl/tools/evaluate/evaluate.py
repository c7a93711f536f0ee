"""How often a model is right: its answers beside what images really show."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from resdsl.compiler.models import Build
from resdsl.compiler.options import INFERENCE
from resdsl.compiler.sessions import open_model
from resdsl.files import write_file
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.images import MAX_PIXELS
from resdsl.runtime.network import Network
from resdsl.runtime.rows import Failure
from resdsl.runtime.session import Session
from resdsl.specification.load import NetworkOptions
from resdsl.tools.evaluate.accuracy import Evaluation
from resdsl.tools.evaluate.accuracy import evaluate as evaluate_with
from resdsl.tools.evaluate.ground_truth import Classes, truths_in, truths_of


def evaluate(
    model: str | os.PathLike[str] | Session,
    folder: str | os.PathLike[str] | None = None,
    *,
    truth: str | os.PathLike[str] | None = None,
    device: str | DeviceOptions = "auto",
    threads: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    batch_size: int = 8,
    crops: int = 1,
    scales: Sequence[int] = (),
    readers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    each: Callable[[Failure | None, int], None] = lambda _failure, _done: None,
) -> Evaluation:
    """Top-1 and top-5 accuracy of a model, and which classes it takes for which.

    The images lie in ``folder``, in one folder for each class, or are listed in the CSV file ``truth`` with the columns
    ``path`` (from the folder of the file on) and ``label``. A class is called by its label, its index, or its WordNet
    identifier where the model has the labels of ImageNet. ``each`` is told of every image whether it failed, and how
    many are done; the rest is as for ``resdsl.predict``.

    Raises ``ValueError`` unless one of ``folder`` and ``truth`` is given, ``RunError`` where a class is not known,
    and otherwise as ``resdsl.predict``.
    """
    if (folder is None) == (truth is None):
        raise ValueError("give a folder of classes or a table of truth, one of them")
    if not isinstance(model, Session):
        build = Build(replace(INFERENCE, weights=weights), NetworkOptions(set=set))
        with open_model(model, device=device, threads=threads, build=build) as (session, _):
            model = session
    network = Network.of(model, max_pixels=max_pixels).with_views(crops, tuple(scales))
    network.require_preprocess()
    count = network.output.shape[-1]
    classes = Classes(model.name, network.labels, count if isinstance(count, int) else None)
    if folder is not None:
        truths = truths_in(Path(folder), classes)
    else:
        assert truth is not None
        truths = truths_of(Path(truth), classes)
    return evaluate_with(network, truths, batch_size=batch_size, readers=readers, each=each)


def write_confusion(evaluation: Evaluation, target: str | os.PathLike[str]) -> None:
    """A CSV file of how often images of the class of a row were taken for that of a column.

    It has the classes that images show or were taken for, by index. Raises ``OutputError`` where it cannot be written.
    """
    indices = sorted({index for pair in evaluation.counts for index in pair})
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["truth", *map(evaluation.name, indices)])
    for truth in indices:
        writer.writerow([evaluation.name(truth), *(evaluation.counts.get((truth, seen), 0) for seen in indices)])
    write_file(Path(target), text.getvalue().encode())
