"""Pictures to classes, with a compiled model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from resdsl.runtime.predict import Failure, Prediction
from resdsl.runtime.predict import predict as predict_with
from resdsl.runtime.session import Session, open_session


def predict(
    model: str | os.PathLike[str] | Session,
    images: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    top: int = 5,
    device: str = "auto",
    threads: int | None = None,
    batch_size: int = 8,
    crops: int = 1,
    scales: Sequence[int] = (),
) -> Iterator[Prediction | Failure]:
    """The ``top`` classes of each image, in the order given, as they are done.

    ``model`` is an ONNX file or a session that is open already. How an image becomes its input, and what its classes
    are called, is read from its metadata. An image that cannot be read is a ``Failure``; the others go on. ``device``
    is ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``tensorrt``; one that cannot be used is an error, never replaced.

    ``crops = 10`` averages the probabilities over the centre and the corners of the image and their mirror images;
    ``scales`` averages them over the whole image, resized so that its short side has each of these lengths in turn, for
    a model whose input leaves height and width open.

    Raises ``resdsl.runtime.problem.RunProblem`` for a model that cannot be read, classifies no images or cannot be
    tested so, and its subclass ``EnvironmentProblem`` where the device or ONNX Runtime cannot be used.
    """
    session = model if isinstance(model, Session) else open_session(Path(model), device=device, threads=threads)
    files = [images] if isinstance(images, str | os.PathLike) else images
    return predict_with(
        session, (Path(image) for image in files), top=top, batch_size=batch_size, crops=crops, scales=scales
    )
