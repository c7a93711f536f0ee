"""Comparing two models, or a model with its specification, value by value."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.compiler.models import Build, built
from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.onnx.outline import Outline, same_values
from resdsl.runtime.device import DeviceOptions
from resdsl.runtime.files import ModelFile, require_file
from resdsl.runtime.images import load_image
from resdsl.runtime.inputs import random_inputs
from resdsl.runtime.metadata import read_metadata
from resdsl.runtime.preprocess import prepare
from resdsl.runtime.session import WEIGHTS_FOLDER, Session, open_session
from resdsl.tools.compare.difference import Difference, Named, Tolerance, differences

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Side:
    """One of two models: an ONNX file or a specification, what runs it, and how it is compiled if it has to be."""

    source: str
    device: DeviceOptions = field(default_factory=DeviceOptions)
    build: Build = field(default_factory=Build)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The values that both models have, in the order in which the first makes them.

    ``devices`` ran the two models, for these ``reasons``; ``inputs`` are the shapes of what they were given.
    """

    differences: tuple[Difference, ...]
    devices: tuple[str, str]
    reasons: tuple[str, str]
    inputs: Mapping[str, tuple[int, ...]]

    @property
    def first(self) -> Difference | None:
        """The first value that departs: what is wrong is there, or right before it."""
        return next((found for found in self.differences if found.departs), None)


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
    """Run two models on the same inputs and say how far apart their values are, and where they part.

    The inputs are ``images`` (files, which the first model's preprocessing prepares, or ``.npy`` arrays as they are),
    or ``batch`` random ones of the ``size`` from ``seed``. Values inside the models are compared where both have them
    under one name; outputs are those of the models as they are, the others of models that give them out, in which ONNX
    Runtime fuses less.

    Raises ``CompileError`` for a specification that has mistakes, ``RunError`` where a model cannot be run or the two
    have nothing in common.
    """
    a, b = (side if isinstance(side, Side) else Side(os.fspath(side)) for side in (a, b))
    tolerance = tolerance or Tolerance()
    with built([(a.source, a.build), (b.source, b.build)]) as (one, other):
        sessions = (_open(one, a.device), _open(other, b.device))
        feeds = _inputs(sessions[0], images, batch, size, seed)
        outlines = (_outline(one), _outline(other))
        pairs = dict.fromkeys(same_values(*outlines))
        named = [Named(value.name, same.name, value.op, value.is_output) for value, same in pairs]
        if not named:
            raise RunError.of(
                catalogue.NOT_COMPARABLE,
                f"`{a.source}` and `{b.source}` have no value of the same name",
                helps=("compare models of one network, and let their outputs have the same names",),
            )
        outputs = [value for value in named if value.is_output]
        inside = [value for value in named if not value.is_output]
        found = list(differences(*sessions, outputs, feeds, tolerance))
        if inside:
            exposed = (
                _exposed(one, outlines[0], [value.a for value in inside], a.device),
                _exposed(other, outlines[1], [value.b for value in inside], b.device),
            )
            found += differences(*exposed, inside, feeds, tolerance)
    order = {value.a: place for place, value in enumerate(named)}
    found.sort(key=lambda difference: order[difference.name])
    shapes = {name: array.shape for name, array in feeds.items()}
    ours, theirs = sessions
    return Comparison(tuple(found), (str(ours.device), str(theirs.device)), (ours.reason, theirs.reason), shapes)


def _open(model: ModelFile, device: DeviceOptions) -> Session:
    return open_session(model.file, device=device, name=model.name)


def _outline(model: ModelFile) -> Outline:
    try:
        return Outline(model.file)
    except ValueError:
        raise RunError.of(
            catalogue.MODEL_UNREADABLE, f"`{model.name}` is not an ONNX file", helps=("name an ONNX file",)
        ) from None


def _exposed(model: ModelFile, outline: Outline, names: Sequence[str], device: DeviceOptions) -> Session:
    # From memory, ONNX Runtime does not know where a file of weights lies.
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
            f"`{session.name}` has {len(session.inputs)} inputs, and images are for one",
            helps=("leave the images out: then inputs are random",),
        )
    arrays = [_array(session, Path(image)) for image in images]
    if len({array.shape[1:] for array in arrays}) > 1:
        shapes = ", ".join(str(list(array.shape[1:])) for array in arrays)
        raise RunError.of(
            catalogue.NOT_COMPARABLE,
            f"the images differ in shape: {shapes}",
            helps=("give images of one size, or one at a time",),
        )
    return {session.inputs[0].name: np.concatenate(arrays)}


def _array(session: Session, file: Path) -> Array:
    """An image as the model takes it, or what an ``.npy`` file holds, ``[N, C, H, W]``."""
    port = session.inputs[0]
    if file.suffix == ".npy":
        require_file(file, "an array")
        try:
            array: Array = np.load(file, allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise RunError.of(
                catalogue.IMAGE_UNREADABLE,
                f"`{file}` holds no array of numbers: {error}",
                helps=("write it with `numpy.save`",),
            ) from None
        return array if array.ndim == len(port.shape) else array[np.newaxis]
    preprocess = read_metadata(session.metadata, session.name).preprocess
    if preprocess is None:
        raise RunError.of(
            catalogue.NO_PREPROCESS,
            f"`{session.name}` does not say how an image becomes its input",
            helps=("give arrays as `.npy` files, or leave images out: then inputs are random",),
        )
    return prepare(load_image(file), preprocess, channels=1 if port.shape[1] == 1 else 3)[np.newaxis]
