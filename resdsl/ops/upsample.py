"""Enlarging an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.operator import Example, Lowering, Operator, Refusal
from resdsl.ir.types import Size, TensorType, Word
from resdsl.ops.checks import require_image
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class Upsample(Operator):
    """An image enlarged by a whole factor, as PyTorch's ``Upsample`` does it.

    Row ``i`` of the result is read at row ``r`` of the input, columns likewise. ``nearest``: ``r = i // factor``.
    ``bilinear``: ``r = (i + 0.5) / factor - 0.5``, no further than the border, between the two rows around it in
    proportion; with ``align_corners``: ``r = i * (rows - 1) / (factor * rows - 1)``, so that corners meet corners.
    """

    name: ClassVar[str] = "upsample"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("upsample", (2, 3, 3, 4)),
        Example("upsample(3)", (1, 2, 3, 2)),
        Example("upsample(factor = 2x3)", (1, 2, 3, 2)),
        Example("upsample(mode = bilinear)", (2, 3, 3, 4)),
        Example("upsample(4x3, mode = bilinear)", (1, 2, 1, 5)),
        Example("upsample(2, mode = bilinear, align_corners = true)", (1, 2, 3, 4)),
        Example("upsample(3, mode = bilinear, align_corners = true)", (1, 2, 1, 4)),
    )

    factor: Size = arg(Size(2, 2), doc="how many times as high and as wide")
    mode: Word = arg(Word("nearest"), doc="where the values between pixels come from", words=("nearest", "bilinear"))
    align_corners: bool = arg(False, doc="for `bilinear`: the centres of the corner pixels stay at the corners")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "upsampling")
        if self.align_corners and self.mode != "bilinear":
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                f"`align_corners` says nothing for `mode = {self.mode}`",
                argument="align_corners",
                helps=("leave `align_corners` out, or write `mode = bilinear`",),
            )
        batch, channels, rows, columns = x.shape
        return x.with_shape(batch, channels, self.factor.height * rows, self.factor.width * columns)

    def lower(self, to: Lowering) -> None:
        scales = to.floats((1, 1, *self.factor))
        if self.mode == "nearest":
            to(
                "Resize",
                to.input,
                None,
                scales,
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        else:
            grid = "align_corners" if self.align_corners else "half_pixel"
            to("Resize", to.input, None, scales, mode="linear", coordinate_transformation_mode=grid)
