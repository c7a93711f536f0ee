"""What a text was imported from, as what can be run to compare its values."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import CompileError, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.onnx.outline import Outline
from resdsl.runtime.inputs import random_inputs
from resdsl.runtime.session import WEIGHTS_FOLDER, Session, open_session
from resdsl.specification.model_file import ModelFile
from resdsl.untrusted import printable

Array = npt.NDArray[Any]

_BATCH = 2
"""Images of the input where their number is open: an operator that mixes them shows."""


class Original(Protocol):
    """A network that another tool made: its values by the names that the importer has read."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    @property
    def network(self) -> ModelFile: ...

    def has(self, value: str) -> bool:
        """Whether it can give the value of this name."""
        ...

    def expose(self, values: Sequence[str]) -> None:
        """Prepare to give these values."""
        ...

    def image(self, seed: int) -> Array:
        """A random input."""
        ...

    def run(self, image: Array, values: Sequence[str]) -> dict[str, Array]:
        """The values of these names."""
        ...

    def channels_first(self, image: Array) -> Array:
        """The input of the text, ``[N, C, H, W]``, for its own."""
        ...


class OnnxOriginal:
    """An ONNX file in ONNX Runtime on the CPU."""

    def __init__(self, network: ModelFile, path: Path, name: str | None = None) -> None:
        """``path`` is the file. Raises ``CompileError`` if it cannot be read."""
        self.network = network
        self.name = name or network.source.name
        self._path = path
        self._outline = outline_of(path, self.name)
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        assert self._session is not None
        return self._session

    def has(self, value: str) -> bool:
        return value in self._outline.values

    def expose(self, values: Sequence[str]) -> None:
        self._session = exposed(self._path, self._outline, values, self.name)

    def image(self, seed: int) -> Array:
        session = self.session
        size = session.inputs[0].shape[0] if session.inputs[0].shape else None
        given, image_size = self._given()
        batch = next((one for one in (size, given) if isinstance(one, int)), _BATCH)
        feeds = random_inputs(session, batch=batch, size=image_size, seed=seed)
        if batch not in (size, given):
            try:
                session.run(feeds, [session.outputs[0].name])
            except RunError:
                # Exporters may leave the batch open where the graph has the one that it was traced with.
                feeds = random_inputs(session, batch=1, size=image_size, seed=seed)
        return feeds[session.inputs[0].name]

    def _given(self) -> tuple[int | None, tuple[int, int] | None]:
        """The number of images and their size, where the network was read with another input than the file's."""
        shape = self.network.imported.file.given_shape or ()
        batch = shape[0] if shape and isinstance(shape[0], int) else None
        match shape[2:]:
            case (int(height), int(width)):
                return batch, (height, width)
        return batch, None

    def run(self, image: Array, values: Sequence[str]) -> dict[str, Array]:
        return dict(self.session.run({self.session.inputs[0].name: image}, list(values)))

    def channels_first(self, image: Array) -> Array:
        if self.network.imported.channels_last_input:
            return np.ascontiguousarray(np.moveaxis(image, -1, 1))
        return image


def outline_of(model: Path, called: str) -> Outline:
    """What is in an ONNX file. Raises ``CompileError`` if it cannot be read."""
    try:
        return Outline(model)
    except ValueError as error:
        message = f"`{printable(called)}` cannot be read as an ONNX model: {error}"
        raise CompileError.of(catalogue.NOT_A_NETWORK, message) from None


def exposed(model: Path, outline: Outline, names: Sequence[str], called: str) -> Session:
    """A session of a model with these values among its outputs, on the CPU."""
    # For a model from memory, ONNX Runtime does not know the folder of its weights.
    entries = {WEIGHTS_FOLDER: os.fspath(model.resolve().parent)}
    return open_session(outline.exposing(dict.fromkeys(names)), device="cpu", name=called, entries=entries)
