"""Compare two models, or a model with its specification, value by value."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.compiler.models import Build, model_files
from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.onnx.outline import Outline
from resdsl.runtime.arrays import open_array
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.files import ModelFile
from resdsl.runtime.images import load_image
from resdsl.runtime.inputs import random_inputs
from resdsl.runtime.metadata import read_metadata
from resdsl.runtime.preprocess import prepare
from resdsl.runtime.session import WEIGHTS_FOLDER, Session, open_session
from resdsl.tools.compare.divergence import Difference, Tolerance, differences
from resdsl.tools.compare.pairs import outputs_by_place, value_pairs

Array = npt.NDArray[Any]


MOST_INSIDE = 10_000
"""Inner values that are compared: with more outputs, ONNX Runtime takes much longer for each."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two models: an ONNX file or a specification, its device, and how a specification is compiled."""

    source: str
    device: DeviceOptions = field(default_factory=DeviceOptions)
    build: Build = field(default_factory=Build)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences of the values that both models have, in the order of the first model.

    ``devices`` ran the two models, for these ``reasons``; ``inputs`` are the shapes of the inputs. ``by_place`` are the
    outputs that are compared because they stand at one place and have one shape; ``alone`` are the outputs of each
    model that are compared with none; ``left_out`` counts inner values that both have and that are not compared.
    """

    differences: tuple[Difference, ...]
    devices: tuple[str, str]
    reasons: tuple[str, str]
    inputs: Mapping[str, tuple[int, ...]]
    by_place: tuple[tuple[str, str], ...] = ()
    alone: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    left_out: int = 0

    @property
    def first(self) -> Difference | None:
        """The first value that diverges: the cause is there, or right before it."""
        return next((one for one in self.differences if one.diverges), None)


def compare(
    a: Side | str | os.PathLike[str],
    b: Side | str | os.PathLike[str],
    *,
    images: Sequence[str | os.PathLike[str]] = (),
    batch: int = 1,
    size: tuple[int, int] | None = None,
    seed: int = 0,
    tolerance: Tolerance | None = None,
) -> Comparison:
    """Run two models on the same inputs, compare their values, and find the first divergence.

    The inputs are ``images`` (files, which are preprocessed for the first model, or ``.npy`` arrays, used unchanged),
    or ``batch`` random images of ``size`` from ``seed``. Inner values are compared if both models have them under the
    same name; where names differ, if both compute them by the same operators from the input on. Outputs come from the
    models unchanged; inner values from models with more outputs, in which ONNX Runtime fuses less. Of more than
    ``MOST_INSIDE`` inner values, as many are compared, evenly spaced.

    Raises ``CompileError`` for a specification with errors, ``RunError`` if a model cannot be run or the two have
    nothing in common.
    """
    a, b = (side if isinstance(side, Side) else Side(os.fspath(side)) for side in (a, b))
    tolerance = tolerance or Tolerance()
    with model_files([(a.source, a.build), (b.source, b.build)]) as (one, other):
        sessions = (_open(one, a.device), _open(other, b.device))
        feeds = _inputs(sessions[0], images, batch, size, seed)
        outlines = (_outline(one), _outline(other))
        named = value_pairs(one, other, *outlines)
        guessed = outputs_by_place(*outlines, named)
        if not named and not guessed:
            raise RunError.of(
                catalogue.NOT_COMPARABLE,
                f"`{a.source}` and `{b.source}` have no value in common, by name or by structure",
                helps=("compare models of the same network",),
            )
        named += guessed
        outputs = [value for value in named if value.is_output]
        inside = [value for value in named if not value.is_output]
        compared = list(differences(*sessions, outputs, feeds, tolerance))
        left_out = max(0, len(inside) - MOST_INSIDE)
        if left_out:
            inside = [inside[place * len(inside) // MOST_INSIDE] for place in range(MOST_INSIDE)]
        if inside:
            exposed = (
                _exposed(one, outlines[0], [value.a for value in inside], a.device),
                _exposed(other, outlines[1], [value.b for value in inside], b.device),
            )
            compared += differences(*exposed, inside, feeds, tolerance)
    order = {name: index for index, name in enumerate(outlines[0].values)}
    compared.sort(key=lambda difference: order[difference.name])
    shapes = {name: array.shape for name, array in feeds.items()}
    ours, theirs = sessions
    compared_outputs = {value.a for value in outputs}, {value.b for value in outputs}
    return Comparison(
        tuple(compared),
        (str(ours.device), str(theirs.device)),
        (ours.reason, theirs.reason),
        shapes,
        tuple((value.a, value.b) for value in guessed),
        (
            tuple(name for name in outlines[0].outputs if name not in compared_outputs[0]),
            tuple(name for name in outlines[1].outputs if name not in compared_outputs[1]),
        ),
        left_out,
    )


def _open(model: ModelFile, device: DeviceOptions) -> Session:
    return open_session(model.file, device=device, name=model.name)


def _outline(model: ModelFile) -> Outline:
    try:
        return Outline(model.file)
    except ValueError:
        raise RunError.of(
            catalogue.MODEL_UNREADABLE, f"`{model.name}` is not an ONNX file", helps=("pass an ONNX file",)
        ) from None


def _exposed(model: ModelFile, outline: Outline, names: Sequence[str], device: DeviceOptions) -> Session:
    # For a model from memory, ONNX Runtime does not know the folder of its weights.
    entries = {WEIGHTS_FOLDER: os.fspath(model.file.resolve().parent)}
    return open_session(outline.exposing(dict.fromkeys(names)), device=device, name=model.name, entries=entries)


def _inputs(
    session: Session, images: Sequence[str | os.PathLike[str]], batch: int, size: tuple[int, int] | None, seed: int
) -> dict[str, Array]:
    if not images:
        return random_inputs(session, batch=batch, size=size, seed=seed)
    if len(session.inputs) != 1:
        raise RunError.of(
            catalogue.NOT_COMPARABLE,
            f"`{session.name}` has {len(session.inputs)} inputs, and images are for models with one",
            helps=("leave the images out to use random inputs",),
        )
    arrays = [_array(session, Path(image)) for image in images]
    if len({array.shape[1:] for array in arrays}) > 1:
        shapes = ", ".join(str(list(array.shape[1:])) for array in arrays)
        raise RunError.of(
            catalogue.NOT_COMPARABLE,
            f"the images have different shapes: {shapes}",
            helps=("pass images of one size, or one at a time",),
        )
    return {session.inputs[0].name: np.concatenate(arrays)}


def _array(session: Session, file: Path) -> Array:
    """An image preprocessed for the model, or the array in an ``.npy`` file, ``[N, C, H, W]``."""
    port = session.inputs[0]
    if file.suffix == ".npy":
        array = open_array(file)
        return array if array.ndim == len(port.shape) else array[np.newaxis]
    preprocess = read_metadata(session.metadata, session.name).preprocess
    if preprocess is None:
        raise RunError.of(
            catalogue.NO_PREPROCESS,
            f"`{session.name}` has no preprocessing in its metadata, so images cannot become its input",
            helps=("pass arrays as `.npy` files, or leave images out to use random inputs",),
        )
    return prepare(load_image(file), preprocess, channels=1 if port.shape[1] == 1 else 3)[np.newaxis]
