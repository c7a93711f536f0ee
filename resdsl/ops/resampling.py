"""Shared by the operators that read an image between its pixels. Not an operator of the language itself."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.ir.operator import Lowering, Ref, Refusal
from resdsl.ir.types import Word

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
