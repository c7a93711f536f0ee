"""Inputs for a model that nobody gave images to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.metadata import read_metadata
from resdsl.runtime.preprocess import output_size
from resdsl.runtime.session import Port, Session

Array = npt.NDArray[Any]

_USUAL_SIZE = (224, 224)
_FLOATS: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}
_WHOLE: dict[str, type[np.integer[Any]]] = {
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


def random_inputs(session: Session, *, batch: int, size: tuple[int, int] | None, seed: int) -> dict[str, Array]:
    """An array for each input of the model, from ``seed`` and the same for the same shapes.

    Floats are normally distributed, as images are after normalisation; whole numbers are from 0 to 127, bytes to 255.
    The first size of an input is ``batch`` where it is open; open heights and widths are ``size``, or what the model's
    preprocessing makes, or 224. Raises ``RunError`` where the model has another batch size or ``size``, or an input
    cannot be made.
    """
    taken = size
    if taken is None:
        preprocess = read_metadata(session.metadata, session.name).preprocess
        taken = (output_size(preprocess) if preprocess else None) or _USUAL_SIZE
    random = np.random.default_rng(seed)
    shapes = [(port, _shape(session.name, port, batch, taken)) for port in session.inputs]
    for port, shape in shapes:
        if size is not None and _size(shape) not in (None, size):
            raise RunError.of(
                catalogue.NO_INPUT_MADE_UP,
                f"`{session.name}` takes {port.sizes}, and the images would be {size[0]} x {size[1]}",
                helps=(
                    Text(
                        "leave the size out, or compile the model for any size: ",
                        Option("input_shape", ("N", 3, "H", "W")),
                    ),
                ),
            )
    return {port.name: _random(session.name, port, shape, random) for port, shape in shapes}


def _shape(model: str, port: Port, batch: int, size: tuple[int, int]) -> tuple[int, ...]:
    if port.shape and isinstance(port.shape[0], int) and port.shape[0] != batch:
        raise RunError.of(
            catalogue.NO_INPUT_MADE_UP,
            f"`{model}` takes batches of {port.shape[0]}, and this would be one of {batch}",
            helps=(
                Text(
                    "use ",
                    Option("batch", port.shape[0]),
                    ", or compile it for any batch size: ",
                    Option("input_shape", ("N", 3, 224, 224)),
                ),
            ),
        )
    places = _places(port.shape)
    shape = []
    for place, length in enumerate(port.shape):
        if isinstance(length, int):
            shape.append(length)
        elif place == 0:
            shape.append(batch)
        elif place in places:
            shape.append(size[places.index(place)])
        else:
            raise _unmade(model, port, f"its size {place} is open")
    return tuple(shape)


def _size(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Height and width of images of this shape; ``None`` if it is no shape of images."""
    places = _places(shape)
    return (shape[places[0]], shape[places[1]]) if places else None


def _places(shape: tuple[int | str | None, ...]) -> tuple[int, ...]:
    """Where height and width stand: behind the channels, or before them, as in raw images."""
    if len(shape) != 4:
        return ()
    return (1, 2) if shape[3] in (1, 3) and shape[1] not in (1, 3) else (2, 3)


def _random(model: str, port: Port, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    if port.dtype in _FLOATS:
        return random.standard_normal(shape, dtype=np.float32).astype(_FLOATS[port.dtype], copy=False)
    if port.dtype in _WHOLE:
        most = 255 if port.dtype == "tensor(uint8)" else 127
        return random.integers(0, most, shape, dtype=_WHOLE[port.dtype], endpoint=True)
    raise _unmade(model, port, f"it holds {port.dtype}")


def _unmade(model: str, port: Port, why: str) -> RunError:
    return RunError.of(
        catalogue.NO_INPUT_MADE_UP,
        f"no input can be made up for `{port.name}` of `{model}`: {why}",
        helps=("models of images [N, C, H, W] can be measured",),
    )
