"""Preprocess images for a network, bit for bit as torchvision's transforms do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import assert_never

import numpy as np
import numpy.typing as npt
from PIL import Image

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.ir.preprocess import Crop, Normalize, Preprocess, Resize, Step
from resdsl.runtime.images import MAX_PIXELS, check_pixels
from resdsl.untrusted import bounded_float, printable

INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Pillow's filters by their names in the language."""

_LARGEST_SIZE = 16_384
_LARGEST_FLOAT = float(np.finfo(np.float32).max)


def prepare(
    image: Image.Image,
    preprocess: Preprocess,
    *,
    channels: int = 3,
    max_pixels: int = MAX_PIXELS,
    augment: Callable[[Image.Image], Image.Image] | None = None,
) -> npt.NDArray[np.float32]:
    """``image`` as a float32 array ``[channels, H, W]``; ``channels`` is 3, or 1 for greyscale (ITU-R BT.601 luma).

    Resize, crop, ``/ 255`` and normalisation equal torchvision's ``Resize``, ``CenterCrop``, ``ToTensor`` and
    ``Normalize`` on a Pillow image, and timm's evaluation transforms. With ``order = bgr`` the channels are reversed
    first, so ``mean`` and ``std`` are in the network's order. Without a ``normalize`` step white is 1. ``augment``
    changes the image before it is normalised. Raises ``RunError`` for invalid steps, and for images that a step makes
    too large.
    """
    _require(preprocess, channels)
    image, normalize = _stepped(_in_mode(image, channels), preprocess.steps, max_pixels)
    return _normalized(image if augment is None else augment(image), normalize)


def prepare_ten(
    image: Image.Image, preprocess: Preprocess, *, channels: int = 3, max_pixels: int = MAX_PIXELS
) -> list[npt.NDArray[np.float32]]:
    """Ten crops of ``image``, each preprocessed: the centre, the four corners, and their mirror images.

    The last ``crop`` of ``preprocess`` gives their size. If the image is smaller, all crops are centred. Raises as
    ``prepare``, and for preprocessing without a crop. (Krizhevsky et al. 2012, sec. 4.1.)
    """
    _require(preprocess, channels)
    steps = preprocess.steps
    last = max((index for index, step in enumerate(steps) if isinstance(step, Crop)), default=None)
    if last is None:
        raise RunError.of(
            catalogue.TESTING,
            "`crops = 10` needs a `crop` step in the model's `preprocess`, which gives the size of the crops",
            helps=("write `crop(224)` in the `preprocess` of its specification and compile it again",),
        )
    crop = steps[last]
    assert isinstance(crop, Crop)
    image, _ = _stepped(_in_mode(image, channels), steps[:last], max_pixels)
    plain = [_cut(image, left, top, crop.size) for left, top in _crop_origins(image, crop.size)]
    mirrored = [part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for part in plain]
    return [_finished(part, steps[last + 1 :], max_pixels) for part in (*plain, *mirrored)]


def at_scale(preprocess: Preprocess, size: int) -> Preprocess:
    """``preprocess`` without crops, with one resize that makes the short side ``size`` pixels."""
    resize = next((step for step in preprocess.steps if isinstance(step, Resize)), Resize(size))
    rest = tuple(step for step in preprocess.steps if isinstance(step, Normalize))
    return Preprocess((dataclasses.replace(resize, size=size, fit="short"), *rest))


def output_size(preprocess: Preprocess) -> tuple[int, int] | None:
    """Height and width of the result of ``prepare``; ``None`` if they depend on the image."""
    size: tuple[int, int] | None = None
    for step in preprocess.steps:
        if isinstance(step, Crop) or (isinstance(step, Resize) and step.fit == "exact"):
            size = (step.size, step.size)
        elif isinstance(step, Resize):
            # A square stays square.
            size = (step.size, step.size) if size else None
    return size


def invalid_reason(preprocess: Preprocess, channels: int = 3) -> str | None:
    """Why ``preprocess`` is invalid, or ``None``. It may come from the metadata of a model, so nothing is trusted."""
    for number, step in enumerate(preprocess.steps):
        if isinstance(step, Normalize):
            if number != len(preprocess.steps) - 1:
                return "`normalize` is not the last step"
            return _invalid_normalize(step, channels)
        if not _is_integer(step.size) or not 1 <= step.size <= _LARGEST_SIZE:
            return f"a size is {_shown(step.size)}, and must be an integer from 1 to {_LARGEST_SIZE}"
        if isinstance(step, Resize) and step.interpolation not in tuple(INTERPOLATIONS):
            return f"the interpolation {_shown(step.interpolation)} is not one of {', '.join(INTERPOLATIONS)}"
        if isinstance(step, Resize) and step.fit not in ("short", "exact"):
            return f"the fit {_shown(step.fit)} is neither `short` nor `exact`"
    return None


def _require(preprocess: Preprocess, channels: int) -> None:
    reason = invalid_reason(preprocess, channels)
    if reason:
        raise RunError.of(
            catalogue.PREPROCESS,
            f"the image cannot be preprocessed: {reason}",
            helps=("change the `preprocess` of the model and compile it again",),
        )


def _invalid_normalize(step: Normalize, channels: int) -> str | None:
    for name, values in (("mean", step.mean), ("std", step.std)):
        if len(values) not in (1, channels):
            return f"`{name}` has {len(values)} values for {channels} channels"
        if not all(_is_finite(value) for value in values):
            return f"`{name}` holds a value that is not a finite number"
    if any(value <= 0 for value in step.std):
        return "`std` holds a value that is not positive"
    if not _is_finite(step.scale) or step.scale <= 0:
        return f"`scale` is {_shown(step.scale)}, and must be a positive number"
    if step.order not in ("rgb", "bgr"):
        return f"the order {_shown(step.order)} is neither `rgb` nor `bgr`"
    return None


def _shown(value: object) -> str:
    return f"'{printable(value)}'" if isinstance(value, str) else printable(value)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    return not isinstance(value, str) and bounded_float(value, most=_LARGEST_FLOAT) is not None


def _in_mode(image: Image.Image, channels: int) -> Image.Image:
    mode = "RGB" if channels == 3 else "L"
    # Converting to the same mode would copy, and nothing here modifies an image in place.
    return image if image.mode == mode else image.convert(mode)


def _finished(image: Image.Image, steps: Sequence[Step], max_pixels: int) -> npt.NDArray[np.float32]:
    return _normalized(*_stepped(image, steps, max_pixels))


def _stepped(image: Image.Image, steps: Sequence[Step], max_pixels: int) -> tuple[Image.Image, Normalize]:
    """The image after ``steps``, and the normalisation, which can only be the last step."""
    normalize = Normalize((0.0,), (1.0,))
    for step in steps:
        match step:
            case Resize():
                image = _resized(image, step, max_pixels)
            case Crop():
                image = _cropped(image, step.size)
            case Normalize():
                normalize = step
            case _:
                assert_never(step)
    return image, normalize


def _resized(image: Image.Image, step: Resize, max_pixels: int) -> Image.Image:
    width, height = image.size
    size = (step.size, step.size)
    if step.fit == "short":
        # torchvision truncates the long side: int(size * long / short).
        short, long = min(width, height), max(width, height)
        long = int(step.size * long / short)
        size = (step.size, long) if width <= height else (long, step.size)
    check_pixels(size, f"an image of {width} x {height}, resized to a short side of {step.size},", max_pixels)
    return image if size == image.size else image.resize(size, INTERPOLATIONS[step.interpolation])


def _cropped(image: Image.Image, size: int) -> Image.Image:
    return _cut(image, _crop_start(image.width, size), _crop_start(image.height, size), size)


def _crop_origins(image: Image.Image, size: int) -> list[tuple[int, int]]:
    """Left and top of the centre crop and of the four corner crops."""
    x, y = _crop_start(image.width, size), _crop_start(image.height, size)
    # A smaller image is centred in the crop, with black around it.
    left, right = (0, image.width - size) if image.width >= size else (x, x)
    top, bottom = (0, image.height - size) if image.height >= size else (y, y)
    return [(x, y), (left, top), (right, top), (left, bottom), (right, bottom)]


def _cut(image: Image.Image, left: int, top: int, size: int) -> Image.Image:
    # Pillow fills the area outside the image with black.
    return image.crop((left, top, left + size, top + size))


def _crop_start(length: int, size: int) -> int:
    # As torchvision: half a pixel is rounded to even, or, where the image is padded, goes to the end.
    return round((length - size) / 2) if length >= size else -((size - length) // 2)


def _normalized(image: Image.Image, step: Normalize) -> npt.NDArray[np.float32]:
    pixels = np.asarray(image).reshape(image.height, image.width, -1)
    pixels = pixels[..., ::-1] if step.order == "bgr" else pixels
    # One copy, then in place: memory traffic dominates the time.
    values: npt.NDArray[np.float32] = np.empty((pixels.shape[2], image.height, image.width), np.float32)
    np.copyto(values, pixels.transpose(2, 0, 1))
    mean, std = (np.array(numbers, np.float32).reshape(-1, 1, 1) for numbers in (step.mean, step.std))
    # One division, so that `scale = 1` equals ToTensor and `scale = 255` keeps the byte values.
    values /= np.float32(255 / step.scale)
    values -= mean
    values /= std
    return values
