"""Random changes of training images: crops, mirror images, mixtures.

What becomes of an image depends on the seed, the epoch and the position of the image in the data alone, so that neither
threads nor an interruption change anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]

_ATTEMPTS = 10


class CropKind(StrEnum):
    """How a part of the image is chosen.

    - ``none``: the whole image, preprocessed as for inference
    - ``pad``: a random part of the preprocessed image with zeros around it (He et al. 2015, arXiv:1512.03385, sec. 4.2)
    - ``resized``: a part of random area and proportions, resized to the size of the input (Szegedy et al. 2014,
      arXiv:1409.4842, sec. 6; torchvision's ``RandomResizedCrop``)
    """

    NONE = "none"
    PAD = "pad"
    RESIZED = "resized"


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is done with training images; nothing by default.

    ``padding`` are the zeros around the image for ``pad``, in pixels; ``area`` and ``proportions`` (width / height) the
    ranges for ``resized``. ``flip`` mirrors every second image on average. ``mixup`` is the parameter of the beta
    distribution from which the share of each image in a mixture is drawn (Zhang et al. 2017, arXiv:1710.09412).
    """

    crop: CropKind = CropKind.NONE
    flip: bool = False
    mixup: float = 0.0
    padding: int = 4
    area: tuple[float, float] = (0.08, 1.0)
    proportions: tuple[float, float] = (3 / 4, 4 / 3)


UNCHANGED = Augmentation()


def resized_part(
    image: Image.Image,
    size: tuple[int, int],
    augmentation: Augmentation,
    random: np.random.Generator,
    filter: Image.Resampling = Image.Resampling.BILINEAR,
) -> Image.Image:
    """A random part of the image, resized to ``size``: height and width."""
    left, top, width, height = random_part(image.width, image.height, augmentation, random)
    rows, columns = size
    return image.crop((left, top, left + width, top + height)).resize((columns, rows), filter)


def random_part(
    width: int, height: int, augmentation: Augmentation, random: np.random.Generator
) -> tuple[int, int, int, int]:
    """Left, top, width and height of a part, chosen as by torchvision's ``RandomResizedCrop.get_params``.

    If ten attempts do not fit into the image, it is the largest central part of allowed proportions.
    """
    low, high = (math.log(bound) for bound in augmentation.proportions)
    for _ in range(_ATTEMPTS):
        target = width * height * random.uniform(*augmentation.area)
        proportion = math.exp(random.uniform(low, high))
        part_width, part_height = round(math.sqrt(target * proportion)), round(math.sqrt(target / proportion))
        if 0 < part_width <= width and 0 < part_height <= height:
            top = int(random.integers(0, height - part_height + 1))
            left = int(random.integers(0, width - part_width + 1))
            return left, top, part_width, part_height
    narrowest, widest = augmentation.proportions
    part_width, part_height = width, height
    if width / height < narrowest:
        part_height = round(width / narrowest)
    elif width / height > widest:
        part_width = round(height * widest)
    return (width - part_width) // 2, (height - part_height) // 2, part_width, part_height


def padded_part(values: Floats, padding: int, random: np.random.Generator) -> Floats:
    """A part of ``values`` ``[C, H, W]`` with ``padding`` zeros at each side, of the same shape."""
    top, left = (int(offset) for offset in random.integers(0, 2 * padding + 1, 2))
    return shifted(values, top - padding, left - padding)


def shifted(values: Floats, down: int, right: int) -> Floats:
    """``y[c, i, j] = x[c, i + down, j + right]``, and 0 outside of ``x``."""
    _, rows, columns = values.shape
    result = np.zeros_like(values)
    height, width = rows - abs(down), columns - abs(right)
    if height > 0 and width > 0:
        to_row, to_column, row, column = max(-down, 0), max(-right, 0), max(down, 0), max(right, 0)
        part = values[:, row : row + height, column : column + width]
        result[:, to_row : to_row + height, to_column : to_column + width] = part
    return result


def mixed(images: Floats, rows: Floats, alpha: float, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Each image ``[N, C, H, W]`` and its row of targets ``[N, K]``, mixed with those of another image of the batch.

    ``x' = s * x + (1 - s) * other`` with one share ``s`` from ``Beta(alpha, alpha)`` for the batch, as the authors do.
    """
    share = np.float32(random.beta(alpha, alpha))
    others = random.permutation(len(images))
    rest = np.float32(1) - share
    return share * images + rest * images[others], share * rows + rest * rows[others]
