"""Random inputs for a model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.metadata import read_metadata
from resdsl.runtime.preprocess import output_size
from resdsl.runtime.session import Port, Session

Array = npt.NDArray[Any]

_DEFAULT_SIZE = (224, 224)
_MOST_ELEMENTS = 2**28
"""The most elements of a random input: 1 GiB of float32."""

_FLOATS: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
}
_INTEGERS: dict[str, type[np.integer[Any]]] = {
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


def random_inputs(session: Session, *, batch: int, size: tuple[int, int] | None, seed: int) -> dict[str, Array]:
    """A random array for each input of the model, determined by ``seed`` and the shapes.

    Floats have a standard normal distribution, like normalised images; integers are from 0 to 127, uint8 to 255. A
    symbolic batch size becomes ``batch``; symbolic heights and widths become ``size``, or the output size of the
    model's preprocessing, or 224. Raises ``RunError`` if the model has another fixed batch size or image size, or has
    an input that cannot be generated.
    """
    image_size = size
    if image_size is None:
        preprocess = read_metadata(session.metadata, session.name).preprocess
        image_size = (output_size(preprocess) if preprocess else None) or _DEFAULT_SIZE
    random = np.random.default_rng(seed)
    # Beside an input of any number of images, one of fixed shape is no batch, and often one that nothing reads.
    is_open = any(port.shape and not isinstance(port.shape[0], int) for port in session.inputs)
    shapes = [
        (port, _shape(session.name, port, None if is_open else batch, batch, image_size)) for port in session.inputs
    ]
    for port, shape in shapes:
        if size is not None and _image_size(shape) not in (None, size):
            raise RunError.of(
                catalogue.NO_INPUT_MADE_UP,
                f"`{session.name}` takes {port.sizes}, and the requested size is {size[0]} x {size[1]}",
                helps=(
                    Text(
                        "leave the size out, or compile the model with a symbolic size: ",
                        Option("input_shape", ("N", 3, "H", "W")),
                    ),
                ),
            )
    for port, shape in shapes:
        if math.prod(shape) > _MOST_ELEMENTS:
            raise _cannot_generate(session.name, port, f"it would have {math.prod(shape):.2g} elements")
    return {port.name: _random(session.name, port, shape, random) for port, shape in shapes}


def _shape(model: str, port: Port, required: int | None, batch: int, size: tuple[int, int]) -> tuple[int, ...]:
    if required is not None and port.shape and isinstance(port.shape[0], int) and port.shape[0] != required:
        raise RunError.of(
            catalogue.NO_INPUT_MADE_UP,
            f"`{model}` has the fixed batch size {port.shape[0]}, and the requested one is {required}",
            helps=(
                Text(
                    "use ",
                    Option("batch", port.shape[0]),
                    ", or compile it with a symbolic batch size: ",
                    Option("input_shape", ("N", 3, 224, 224)),
                ),
            ),
        )
    spatial = _spatial_axes(port.shape)
    shape = []
    for axis, length in enumerate(port.shape):
        if isinstance(length, int):
            shape.append(length)
        elif axis == 0:
            shape.append(batch)
        elif axis in spatial:
            shape.append(size[spatial.index(axis)])
        else:
            raise _cannot_generate(model, port, f"the size of axis {axis} is unknown")
    return tuple(shape)


def _image_size(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Height and width of a batch of images; ``None`` for any other shape."""
    spatial = _spatial_axes(shape)
    return (shape[spatial[0]], shape[spatial[1]]) if spatial else None


def _spatial_axes(shape: tuple[int | str | None, ...]) -> tuple[int, ...]:
    """The axes of height and width: NCHW, or NHWC as in raw images."""
    if len(shape) != 4:
        return ()
    return (1, 2) if shape[3] in (1, 3) and shape[1] not in (1, 3) else (2, 3)


def _random(model: str, port: Port, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    if port.dtype in _FLOATS:
        return random.standard_normal(shape, dtype=np.float32).astype(_FLOATS[port.dtype], copy=False)
    if port.dtype in _INTEGERS:
        most = 255 if port.dtype == "tensor(uint8)" else 127
        return random.integers(0, most, shape, dtype=_INTEGERS[port.dtype], endpoint=True)
    raise _cannot_generate(model, port, f"it holds {port.dtype}")


def _cannot_generate(model: str, port: Port, reason: str) -> RunError:
    return RunError.of(
        catalogue.NO_INPUT_MADE_UP,
        f"no random input can be generated for `{port.name}` of `{model}`: {reason}",
        helps=("models with image inputs, [N, C, H, W], are supported",),
    )
