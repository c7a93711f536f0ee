"""Images and preprocessed inputs as NumPy arrays, single or in ``.npy`` files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.inputs import record_input
from resdsl.runtime.files import require_file
from resdsl.runtime.images import check_pixels

Array = npt.NDArray[Any]
ValuePair = tuple[str, Callable[[int], Image.Image | Array]]

_FORMS = (
    "images are uint8, [N, H, W, 3] or [H, W, 3] in RGB (or 1 channel, greyscale), and are preprocessed like files",
    "preprocessed inputs are float32, [N, C, H, W] or [C, H, W], and go into the model unchanged",
)


def arrays_in(path: Path) -> Iterator[ValuePair]:
    """The images or inputs in an ``.npy`` file: their names (``x.npy[3]``), and functions that load them.

    Images are ``uint8``, ``[N, H, W, C]`` or ``[H, W, C]`` with 3 channels (RGB) or 1 (greyscale). Preprocessed inputs
    are floating-point, ``[N, C, H, W]`` or ``[C, H, W]``. The file is memory-mapped, so only the elements in use take
    memory. Raises ``RunError`` for any other file; objects (pickles) are not loaded.
    """
    values = open_array(path)
    name = str(path)
    if values.ndim == 4:
        _require_form(values.dtype, values.shape[1:], name)
        for index in range(values.shape[0]):
            one = f"{name}[{index}]"
            yield one, partial(_element, values, index, one)
    else:
        _require_form(values.dtype, values.shape, name)
        yield name, partial(image_or_input, values, name)


def open_array(path: Path) -> Array:
    """The array in an ``.npy`` file, memory-mapped. Raises ``RunError`` for any other file."""
    require_file(path, "an array", regular=True)
    try:
        # Not `numpy.load`, which also opens archives and pickles.
        record_input(path)
        values: Array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:
        # NumPy raises exceptions of many types for a damaged header.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError.of(
            catalogue.IMAGE_UNREADABLE,
            f"`{path}` cannot be read as an array: {reason[:1].lower()}{reason[1:]}",
            helps=("write one array with `numpy.save(path, array)`",),
        ) from None
    return values


def image_or_input(values: Array, name: str, max_pixels: int) -> Image.Image | Array:
    """One array as an image (``uint8[H, W, C]``) or as a preprocessed input (floating-point ``[C, H, W]``)."""
    _require_form(values.dtype, values.shape, name)
    check_pixels((values.shape[-2], values.shape[-3 if values.dtype == np.uint8 else -1]), f"`{name}`", max_pixels)
    if values.dtype != np.uint8:
        return values
    pixels = np.ascontiguousarray(values)
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).convert("RGB")


def _element(values: Array, index: int, name: str, max_pixels: int) -> Image.Image | Array:
    return image_or_input(values[index], name, max_pixels)


def _require_form(dtype: np.dtype[Any], shape: tuple[int, ...], name: str) -> None:
    if len(shape) == 3 and 0 not in shape:
        if dtype == np.uint8 and shape[2] in (1, 3):
            return
        if np.issubdtype(dtype, np.floating):
            return
    helps: tuple[str, ...] = _FORMS
    if dtype == np.uint8 and len(shape) == 3 and shape[0] in (1, 3):
        helps = ("put the channels last: `array.transpose(0, 2, 3, 1)`", *_FORMS)
    sizes = ", ".join(map(str, shape))
    raise RunError.of(
        catalogue.IMAGE_UNREADABLE,
        f"`{name}` is {dtype}[{sizes}], which is neither an image nor a preprocessed input",
        helps=helps,
    )
