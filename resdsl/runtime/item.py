"""A named image that is read when it is needed. Items can be pickled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from resdsl.diagnostics import Diagnostic
from resdsl.diagnostics.errors import RunError
from resdsl.runtime.images import MAX_FILE_BYTES, decode_image, load_image
from resdsl.runtime.stores import is_address, plain, read_object

Prepared = npt.NDArray[np.floating[Any]]
"""A preprocessed input, floating-point ``[C, H, W]``."""


@dataclass(frozen=True, slots=True)
class Item:
    """A named image. ``load(max_pixels)`` reads it, in any thread, or raises ``RunError``.

    ``place`` is its position among the images that are read in a row (the files of a command, the rows of a row group,
    an archive), if that is known. Batches begin at multiples of their size, so that which images share a batch depends
    on nothing else: neither on failures nor on where an interrupted run was resumed or a cluster has cut the images.
    """

    name: str
    load: Callable[[int], Image.Image | Prepared]
    place: int | None = None


def file_item(name: str, *, regular: bool = True) -> Item:
    """The item of an image file, by its path or its address in a store; ``regular`` as for ``load_image``."""
    if is_address(name):
        return Item(plain(name), partial(_load_object, name))
    return Item(name, partial(_load, name, regular))


def error_item(name: str, diagnostic: Diagnostic) -> Item:
    """An item that cannot be read, for the reason that ``diagnostic`` states."""
    return Item(name, partial(_fail, diagnostic))


def _load(name: str, regular: bool, max_pixels: int) -> Image.Image:
    return load_image(name, max_pixels=max_pixels, regular=regular)


def _load_object(address: str, max_pixels: int) -> Image.Image:
    return decode_image(read_object(address, MAX_FILE_BYTES), plain(address), max_pixels=max_pixels)


def _fail(diagnostic: Diagnostic, _: int) -> Image.Image:
    raise RunError(diagnostic)
