"""Images and preprocessed inputs as NumPy arrays, single or in ``.npy`` files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from resdsl.runtime.item import Item, error_item

Array = npt.NDArray[Any]

_FORMS = (
    "images are uint8, [N, H, W, 3] or [H, W, 3] in RGB (or 1 channel, greyscale), and are preprocessed like files",
    "preprocessed inputs are float32, [N, C, H, W] or [C, H, W], and go into the model unchanged",
)


@dataclass(frozen=True, slots=True)
class Arrays:
    """The images or inputs in an ``.npy`` file, named ``x.npy[3]``: those from ``first`` up to ``last``, or all.

    Images are ``uint8``, ``[N, H, W, C]`` or ``[H, W, C]`` with 3 channels (RGB) or 1 (greyscale). Preprocessed inputs
    are floating-point, ``[N, C, H, W]`` or ``[C, H, W]``. The file is memory-mapped, so only the elements in use take
    memory. Any other file is an item whose ``load`` raises the reason; objects (pickles) are not loaded.
    """

    file: str
    first: int = 0
    last: int | None = None

    @property
    def key(self) -> str:
        return f"{self.file} {self.first} {self.last}"

    def items(self) -> Iterator[Item]:
        """The images in order."""
        try:
            values = self._values()
        except RunError as error:
            yield error_item(self.file, error.diagnostic)
            return
        if values.ndim != 4:
            yield Item(self.file, partial(image_or_input, values, self.file), 0)
            return
        for place in self._places(values):
            name = f"{self.file}[{place}]"
            yield Item(name, partial(_element, values, place, name), place)

    def parts(self, size: int) -> Iterator[Arrays]:
        """The same images in parts of ``size``."""
        try:
            values = self._values()
        except RunError:
            yield self
            return
        places = self._places(values)
        for first in places[::size]:
            yield Arrays(self.file, first, min(first + size, places.stop))

    def count(self) -> int | None:
        """The number of images."""
        try:
            return len(self._places(self._values()))
        except RunError:
            return 1

    def _values(self) -> Array:
        values = open_array(Path(self.file))
        _require_form(values.dtype, values.shape[1:] if values.ndim == 4 else values.shape, self.file)
        return values

    def _places(self, values: Array) -> range:
        length = values.shape[0] if values.ndim == 4 else 1
        return range(self.first, length if self.last is None else min(self.last, length))


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
