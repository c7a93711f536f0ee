"""Pictures to classes or features, with a model: row by row, or to a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypedDict, Unpack

from resdsl.compiler.models import Build
from resdsl.compiler.options import INFERENCE
from resdsl.compiler.sessions import open_model
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.predict import predict as predict_with
from resdsl.runtime.rows import Row
from resdsl.runtime.session import Session
from resdsl.runtime.sources import Source
from resdsl.specification.load import NetworkOptions
from resdsl.tools.predict.resumable import digest_of
from resdsl.tools.predict.sinks import format_of, sink


class Asked(TypedDict, total=False):
    """How images are seen: options of ``resdsl.runtime.predict.predict``, which says what they are."""

    top: int
    output: str | None
    batch_size: int
    crops: int
    scales: Sequence[int]
    readers: int | None
    null: bool
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Written:
    """A file of rows: one for each of ``images``, of which ``failed`` say why there is nothing else in them.

    ``resumed`` of the rows were there from a run before.
    """

    path: Path
    format: str
    images: int
    failed: int
    resumed: int = 0


def predict(
    model: str | os.PathLike[str] | Session,
    images: Source | Iterable[Source],
    *,
    device: str | DeviceOptions = "auto",
    threads: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    set: Mapping[str, object] = MappingProxyType({}),
    **asked: Unpack[Asked],
) -> Generator[Row, None, None]:
    """One row for each image, in the order given, as they are done: a ``Prediction``, ``Features`` or a ``Failure``.

    ``model`` is an ONNX file, a session that is open already, or a specification (a ``.res`` file, or the name of one
    that resdsl ships), which is compiled with ``weights`` and the arguments ``set``. How an image becomes its input,
    and what its classes are called, is read from its metadata.

    ``images`` are files, folders, patterns, ``.npy`` files, ``-`` for standard input, images of Pillow and arrays (see
    ``resdsl.runtime.sources.items_of``); an image that cannot be read is a ``Failure``, and the others go on. They are
    read in ``readers`` threads while the model runs ``batch_size`` of them at once, and few are in memory at a time.

    A row has the ``top`` classes, or with ``output`` the values of that output of the model, or of a value inside it.
    ``crops = 10`` averages over the centre and the corners of the image and their mirror images; ``scales`` over the
    whole image, resized so that its short side has each of these lengths in turn, for a model whose input leaves
    height and width open.

    ``device`` is ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``tensorrt``, or ``DeviceOptions``, which say more; one
    that cannot be used is an error, never replaced.

    Raises ``resdsl.RunError`` for a model that cannot be read, classifies no images or cannot be
    tested so, its subclass ``UnavailableError`` where the device or ONNX Runtime cannot be used, and
    ``CompileError`` for a specification or weights with mistakes.
    """
    if isinstance(model, Session):
        return predict_with(model, images, **asked)
    build = Build(replace(INFERENCE, weights=weights), NetworkOptions(set=set))
    output = asked.get("output")
    with open_model(model, device=device, threads=threads, build=build, output=output) as (session, _):
        return predict_with(session, images, **asked)


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
    **asked: Unpack[Asked],
) -> Written:
    """Write the rows of ``predict`` to a file, which has its name once all are in it.

    ``format`` is ``jsonl``, ``csv``, ``parquet``, ``npy`` (features alone) or ``text``; what ``target`` ends with, if
    not said. With ``resume`` a file of lines goes on with what a run that was cut off has left beside it, and one that
    is complete stays. That needs the same model, options and images.

    Raises ``RunError`` where it cannot go on, where the format cannot, or the file cannot be written, and as
    ``predict``.
    """
    build = Build(replace(INFERENCE, weights=weights), NetworkOptions(set=set))
    with open_model(model, device=device, threads=threads, build=build, output=asked.get("output")) as (session, file):
        return write_rows(Path(target), session, file, images, format=format, resume=resume, **asked)


def write_rows(
    target: Path,
    session: Session,
    model: Path,
    images: Source | Iterable[Source],
    *,
    format: str | None = None,
    resume: bool = False,
    each: Callable[[Row, int], None] = lambda _row, _done: None,
    **asked: Unpack[Asked],
) -> Written:
    """As ``predict_to``, with a session that is open on the file ``model``. ``each`` is told rows and their number."""
    output, top = asked.get("output"), asked.get("top", 5)
    kind = format_of(target, format, output)
    shape = next((port.shape for port in session.outputs if port.name == output), ())
    settings = [asked.get(name) for name in ("output", "crops", "scales", "max_pixels")]
    digest = digest_of(model, kind, top, *settings)
    with sink(target, kind, top=top, output=output, shape=shape, digest=digest, resume=resume) as rows:
        resumed = rows.done
        with closing(predict_with(session, images, select=rows.skip, **asked)) as found:
            for row in found:
                rows.write(row)
                each(row, rows.done)
    return Written(target, kind, rows.done, rows.failed, resumed)
