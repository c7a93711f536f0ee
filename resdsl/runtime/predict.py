"""What a model sees in images."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Diagnostic, catalogue
from resdsl.ir.preprocess import Crop, Preprocess
from resdsl.runtime.images import MAX_PIXELS, load_image
from resdsl.runtime.metadata import read_metadata
from resdsl.runtime.preprocess import at_scale, output_size, prepare, prepare_ten, refusal
from resdsl.runtime.problem import EnvironmentProblem, RunProblem
from resdsl.runtime.session import Port, Session

Array = npt.NDArray[Any]

_DTYPES: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
_OUTPUT_DTYPES = frozenset({*_DTYPES, "tensor(double)"})
# A fixed batch is filled up to its size: no file may make us fill memory.
_BATCHES = range(1, 4097)
_PROBABILITIES = "probabilities"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A class and its probability; ``label`` is its name, if the model tells names."""

    index: int
    probability: float
    label: str | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was seen in one image, the most probable class first.

    ``device`` ran the model; ``seconds`` is the image's share of the time that its batch took there, reading and
    preparing the image not counted. The probabilities are the mean over ``views`` of the image: its crops or scales.
    """

    image: str
    classes: tuple[Ranked, ...]
    device: str
    seconds: float
    views: int = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing was seen in one image."""

    image: str
    diagnostic: Diagnostic


def predict(
    session: Session,
    images: Iterable[str | Path],
    *,
    top: int = 5,
    batch_size: int = 8,
    crops: int = 1,
    scales: Sequence[int] = (),
    preprocess: Preprocess | None = None,
    labels: Sequence[str] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Prediction | Failure]:
    """The ``top`` classes of each image file (``-``: standard input), in the order of ``images``, as they are done.

    An image that cannot be read or run is a ``Failure``; the others go on. ``batch_size`` images run at once if the
    model's input leaves that open. ``preprocess`` and ``labels`` stand in for what the model's metadata says.
    The probabilities are the output ``probabilities`` of a model that has it, else the softmax of its last output
    ``[N, classes]``. (Whether other outputs are probabilities already cannot be told from their values: logits too
    may be positive and sum to 1.)

    With ``crops = 10`` they are the mean over the centre and corners of the image and their mirror images, as
    Krizhevsky et al. 2012, sec. 4.1, test. With ``scales`` they are the mean over the whole image, resized so that its
    short side has each of these lengths in turn, as He et al. 2015, arXiv:1512.03385, sec. 3.4, test a network in its
    fully convolutional form: its input leaves height and width open.

    Raises ``RunProblem``, before the first image is read, where no image could be run: a model that takes no image
    or makes no classes, or does not say how an image becomes its input, or says so in metadata that cannot be
    understood, or that cannot be tested in the way asked for. Raises ``EnvironmentProblem`` where the device fails or
    its memory is too small.
    """
    classifier = _Classifier.of(session, preprocess, labels, max_pixels)
    if crops != 1 or scales:
        classifier = classifier.with_views(crops, tuple(scales))
    return _predicted(classifier, images, top, classifier.batch_size(batch_size))


@dataclass(frozen=True, slots=True)
class _Classifier:
    """A session, and how images go into it and classes come out of it."""

    session: Session
    input: Port
    output: Port
    preprocess: Preprocess
    labels: Sequence[str]
    max_pixels: int
    crops: int = 1
    scales: tuple[int, ...] = ()

    @classmethod
    def of(
        cls, session: Session, preprocess: Preprocess | None, labels: Sequence[str] | None, max_pixels: int
    ) -> _Classifier:
        port = _image_input(session)
        output = _class_output(session)
        metadata = read_metadata(session.metadata, session.name, channels=_channels(port))
        preprocess = preprocess or metadata.preprocess
        if preprocess is None:
            raise _no_preprocess(session, port)
        labels = labels if labels is not None else metadata.labels or ()
        classes = output.shape[-1]
        if labels and isinstance(classes, int) and len(labels) != classes:
            raise RunProblem.of(
                catalogue.METADATA,
                f"`{session.name}` has {classes} classes and {len(labels)} names for them",
                helps=("say the right `labels` in its specification and compile it again",),
            )
        size = output_size(preprocess)
        if size and not _fits(port, size):
            raise _misfit(session.name, port, size)
        return cls(session, port, output, preprocess, labels, max_pixels)

    def with_views(self, crops: int, scales: tuple[int, ...]) -> _Classifier:
        """The same, averaging over views of the image; raises ``RunProblem`` where the model does not allow that."""
        if crops not in (1, 10):
            raise _untestable(
                f"an image is tested with 1 crop or with 10, not with {crops}", "leave `crops` out, or 10"
            )
        if crops == 10 and scales:
            raise _untestable(
                "ten crops and several scales exclude each other: crops are parts of an image, scales take the whole",
                "take one of them",
            )
        if crops == 10 and not any(isinstance(step, Crop) for step in self.preprocess.steps):
            raise _untestable(
                f"`{self.session.name}` has no `crop` in its preprocessing that would say how large ten crops are",
                "write `crop(224)` in the `preprocess` of its specification and compile it again",
            )
        sizes = self.input.shape[2:]
        if scales and any(isinstance(size, int) for size in sizes):
            raise _untestable(
                f"`{self.session.name}` takes {_shape(self.input)} alone, so that it cannot be run at several scales",
                "compile it with its height and width left open: `resdsl compile SPEC --input 'N,3,H,W'`",
                "`resdsl compile resnet50_conv` is ResNet-50 in its fully convolutional form",
            )
        for scale in scales:
            why_not = refusal(at_scale(self.preprocess, scale), _channels(self.input))
            if why_not:
                raise _untestable(f"the image cannot be tested at the scale {scale!r}: {why_not}", "take other scales")
        return replace(self, crops=crops, scales=scales)

    @property
    def views(self) -> int:
        """How many views of an image the answer is averaged over."""
        return len(self.scales) or self.crops

    def batch_size(self, asked: int) -> int:
        fixed = self.input.shape[0]
        return fixed if isinstance(fixed, int) else max(asked, 1)

    def read(self, image: str | Path) -> list[Array]:
        """The views of one image as the model takes them, each ``[C, H, W]``."""
        pixels = load_image(image, max_pixels=self.max_pixels)
        channels = _channels(self.input)
        if self.crops == 10:
            arrays = prepare_ten(pixels, self.preprocess, channels=channels, max_pixels=self.max_pixels)
        else:
            ways = [at_scale(self.preprocess, scale) for scale in self.scales] or [self.preprocess]
            arrays = [prepare(pixels, way, channels=channels, max_pixels=self.max_pixels) for way in ways]
        for array in arrays:
            size = (array.shape[1], array.shape[2])
            if not _fits(self.input, size):
                raise _misfit(self.session.name, self.input, size)
        return [array.astype(_DTYPES[self.input.dtype], copy=False) for array in arrays]

    def answers(self, images: Sequence[Sequence[Array]], batch_size: int) -> Array:
        """The probabilities ``[len(images), classes]``, each the mean over the views of its image."""
        views = [view for image in images for view in image]
        places: dict[tuple[int, ...], list[int]] = {}
        for place, view in enumerate(views):
            places.setdefault(view.shape, []).append(place)
        rows: dict[int, Array] = {}
        for alike in places.values():
            for start in range(0, len(alike), batch_size):
                batch = alike[start : start + batch_size]
                rows.update(zip(batch, self.run([views[place] for place in batch], batch_size), strict=True))
        in_order = np.stack([rows[place] for place in range(len(views))])
        means: Array = in_order.reshape(len(images), self.views, -1).mean(axis=1)
        return means

    def run(self, arrays: Sequence[Array], batch_size: int) -> Array:
        """The probabilities ``[len(arrays), classes]``."""
        batch = np.stack(arrays)
        missing = batch_size - len(arrays) if isinstance(self.input.shape[0], int) else 0
        if missing:
            # A batch of a fixed size is filled up, and what the filling gives is dropped.
            batch = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
        values = self.session.run({self.input.name: batch}, [self.output.name])[self.output.name][: len(arrays)]
        values = values.astype(np.float64)
        # What is not finite stays so, and is told image by image.
        with np.errstate(invalid="ignore"):
            return values if self.output.name == _PROBABILITIES else _softmax(values)


def _predicted(
    classifier: _Classifier, images: Iterable[str | Path], top: int, batch_size: int
) -> Iterator[Prediction | Failure]:
    at_once = max(batch_size // classifier.views, 1)
    waiting: list[tuple[str, list[Array] | Failure]] = []
    ready: list[list[Array]] = []
    for image in images:
        name = str(image)
        try:
            views = classifier.read(image)
        except RunProblem as problem:
            waiting.append((name, Failure(name, problem.diagnostic)))
        else:
            if ready and ready[0][0].shape != views[0].shape:
                # Images of other sizes do not go into one batch.
                yield from _flushed(classifier, waiting, top, batch_size)
                waiting, ready = [], []
            waiting.append((name, views))
            ready.append(views)
        if len(ready) == at_once or not ready:
            yield from _flushed(classifier, waiting, top, batch_size)
            waiting, ready = [], []
    yield from _flushed(classifier, waiting, top, batch_size)


def _flushed(
    classifier: _Classifier, waiting: Sequence[tuple[str, list[Array] | Failure]], top: int, batch_size: int
) -> Iterator[Prediction | Failure]:
    """The results of one batch, with the failures that came between its images in their places."""
    ready = [entry for _, entry in waiting if not isinstance(entry, Failure)]
    problem: RunProblem | None = None
    rows: Iterator[Array] = iter(())
    start = time.perf_counter()
    if ready:
        try:
            rows = iter(classifier.answers(ready, batch_size))
        except EnvironmentProblem:
            raise  # the next batch would meet it too
        except RunProblem as found:
            problem = found
    seconds = (time.perf_counter() - start) / max(len(ready), 1)
    for name, entry in waiting:
        if isinstance(entry, Failure):
            yield entry
        elif problem:
            yield Failure(name, problem.diagnostic)
        else:
            yield _result(classifier, name, next(rows), top, seconds)


def _result(classifier: _Classifier, name: str, row: Array, top: int, seconds: float) -> Prediction | Failure:
    if not np.isfinite(row).all():
        message = f"`{classifier.session.name}` gives values that are not numbers for `{name}`"
        way_out = "check its weights: they may have overflowed or not be those of this network"
        return Failure(name, Diagnostic(catalogue.RUN_FAILED, message, helps=(way_out,)))
    # Stable, so that equally probable classes come in the order of their indices.
    order = np.argsort(-row, kind="stable")[: max(top, 0)]
    labels = classifier.labels
    ranked = (Ranked(int(index), float(row[index]), labels[index] if index < len(labels) else None) for index in order)
    return Prediction(name, tuple(ranked), str(classifier.session.device), seconds, classifier.views)


def _image_input(session: Session) -> Port:
    port = session.inputs[0] if len(session.inputs) == 1 else None
    if port is None:
        raise _not_a_classifier(session, f"it has {len(session.inputs)} inputs")
    if len(port.shape) != 4 or not _is_open_or(port.shape[1], (1, 3)) or not _is_open_or(port.shape[0], _BATCHES):
        raise _not_a_classifier(session, f"its input `{port.name}` is {_shape(port)}")
    if port.dtype not in _DTYPES:
        raise _not_a_classifier(session, f"its input `{port.name}` holds {port.dtype}")
    return port


def _class_output(session: Session) -> Port:
    flat = [port for port in session.outputs if len(port.shape) == 2 and port.dtype in _OUTPUT_DTYPES]
    named = [port for port in flat if port.name == _PROBABILITIES]
    if not flat:
        shapes = ", ".join(f"`{port.name}` {_shape(port)}" for port in session.outputs)
        raise _not_a_classifier(session, f"its outputs are {shapes}, and none is [N, classes]")
    return (named or flat)[-1]


def _not_a_classifier(session: Session, fact: str) -> RunProblem:
    return RunProblem.of(
        catalogue.NOT_A_CLASSIFIER,
        f"`{session.name}` does not make classes of an image: {fact}",
        helps=("one input [N, 3, H, W] of f32 and an output [N, classes] are needed",),
    )


def _no_preprocess(session: Session, port: Port) -> RunProblem:
    size = port.shape[2] if isinstance(port.shape[2], int) else 224
    return RunProblem.of(
        catalogue.NO_PREPROCESS,
        f"`{session.name}` does not say how an image becomes its input",
        notes=("another resize or normalisation than in training gives wrong classes, so none is guessed",),
        helps=(
            f"write `preprocess {{ resize({size * 8 // 7}); crop({size}); normalize(mean = [...], std = [...]) }}` "
            "in its specification, with the numbers of its training, and compile it again",
        ),
    )


def _untestable(fact: str, *helps: str) -> RunProblem:
    return RunProblem.of(catalogue.TESTING, fact, helps=helps)


def _misfit(name: str, port: Port, size: tuple[int, int]) -> RunProblem:
    return RunProblem.of(
        catalogue.PREPROCESS_SIZE,
        f"preprocessing gives images of {size[0]} x {size[1]}, and `{name}` takes {_shape(port)}",
        helps=(
            f"let `preprocess` end with `crop({port.shape[2]})`, or leave the size of the input open: `[N, 3, H, W]`",
        ),
    )


def _channels(port: Port) -> int:
    return 1 if port.shape[1] == 1 else 3


def _fits(port: Port, size: tuple[int, int]) -> bool:
    return all(not isinstance(taken, int) or taken == given for taken, given in zip(port.shape[2:], size, strict=True))


def _is_open_or(size: int | str | None, allowed: Container[int]) -> bool:
    return not isinstance(size, int) or size in allowed


def _shape(port: Port) -> str:
    return f"[{', '.join('_' if size is None else str(size) for size in port.shape)}]"


def _softmax(values: Array) -> Array:
    exponentials = np.exp(values - values.max(axis=1, keepdims=True))
    result: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
    return result
