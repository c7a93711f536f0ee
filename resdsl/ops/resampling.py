"""Shared by the operators that read an image between its pixels. Not an operator of the language itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from resdsl.diagnostics import catalogue
from resdsl.ir.operator import Gradient, Lowering, Ref, Refusal
from resdsl.ir.types import Word
from resdsl.ops.gradients import pixels_of, separable_gradient

if TYPE_CHECKING:
    import numpy as np

MODES = ("nearest", "bilinear")


def require_corners(mode: Word, align_corners: bool) -> None:
    """Refuse ``align_corners`` where it has no effect."""
    if align_corners and mode != "bilinear":
        raise Refusal(
            catalogue.ARGUMENT_VALUE,
            f"`align_corners` has no effect with `mode = {mode}`",
            argument="align_corners",
            helps=("leave `align_corners` out, or write `mode = bilinear`",),
        )


def resample(to: Lowering, *size: Ref | None, mode: Word, align_corners: bool, **attributes: tuple[int, ...]) -> None:
    """Add ONNX's ``Resize``. ``size`` are its inputs after the region: the scales, and sizes in place of them."""
    if mode == "nearest":
        to(
            "Resize",
            to.input,
            None,
            *size,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
            **attributes,
        )
    else:
        grid = "align_corners" if align_corners else "half_pixel"
        to("Resize", to.input, None, *size, mode="linear", coordinate_transformation_mode=grid, **attributes)


def resampling_gradient(to: Gradient, *, mode: Word, align_corners: bool) -> None:
    """Give the gradient of what ``resample`` reads: each pixel adds to those that it was interpolated from."""
    sizes, places = pixels_of(to.types[0]), pixels_of(to.result)
    rows, columns = (
        _weights(size, count, mode, align_corners=align_corners) for size, count in zip(sizes, places, strict=True)
    )
    to.give(separable_gradient(to, to.gradient, rows, columns))


def _weights(size: int, places: int, mode: Word, *, align_corners: bool) -> np.ndarray:
    """``[places, size]``: the weight of each pixel in each place of the result, along one axis."""
    import numpy as np

    index = np.arange(places)
    if mode == "nearest":
        read = index * size // places
        share = np.zeros(places)
    else:
        place = index * (size - 1) / max(places - 1, 1) if align_corners else (index + 0.5) * size / places - 0.5
        place = place.clip(0, size - 1)
        read = np.floor(place).astype(int)
        share = place - read
    weights = np.zeros((places, size))
    weights[index, read] += 1 - share
    weights[index, np.minimum(read + 1, size - 1)] += share
    return weights
