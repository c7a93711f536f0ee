"""Inputs for a model that nobody gave images to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import catalogue
from resdsl.runtime.metadata import read_metadata
from resdsl.runtime.preprocess import output_size
from resdsl.runtime.problem import RunProblem
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

    Floats are normally distributed, as images are after normalisation; whole numbers are from 0 to 127. The first size
    of an input is ``batch`` where it is open; open heights and widths (the third and fourth) are ``size``, or what the
    model's preprocessing makes, or 224. Raises ``RunProblem`` where the model's batch size is fixed to another, or an
    input cannot be made.
    """
    if size is None:
        preprocess = read_metadata(session.metadata, session.name).preprocess
        size = (output_size(preprocess) if preprocess else None) or _USUAL_SIZE
    random = np.random.default_rng(seed)
    return {
        port.name: _random(session.name, port, _shape(session.name, port, batch, size), random)
        for port in session.inputs
    }


def _shape(model: str, port: Port, batch: int, size: tuple[int, int]) -> tuple[int, ...]:
    if port.shape and isinstance(port.shape[0], int) and port.shape[0] != batch:
        raise RunProblem.of(
            catalogue.NO_INPUT_MADE_UP,
            f"`{model}` takes batches of {port.shape[0]}, and this would be one of {batch}",
            helps=(f"take `--batch {port.shape[0]}`, or compile it with an open batch size: `--input 'N,3,224,224'`",),
        )
    shape = []
    for place, length in enumerate(port.shape):
        if isinstance(length, int):
            shape.append(length)
        elif place == 0:
            shape.append(batch)
        elif len(port.shape) == 4 and place in (2, 3):
            shape.append(size[place - 2])
        else:
            raise _unmade(model, port, f"its size {place} is open")
    return tuple(shape)


def _random(model: str, port: Port, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    if port.dtype in _FLOATS:
        return random.standard_normal(shape, dtype=np.float32).astype(_FLOATS[port.dtype], copy=False)
    if port.dtype in _WHOLE:
        return random.integers(0, 128, shape, dtype=_WHOLE[port.dtype])
    raise _unmade(model, port, f"it holds {port.dtype}")


def _unmade(model: str, port: Port, why: str) -> RunProblem:
    return RunProblem.of(
        catalogue.NO_INPUT_MADE_UP,
        f"no input can be made up for `{port.name}` of `{model}`: {why}",
        helps=("models of images [N, C, H, W] can be measured",),
    )
