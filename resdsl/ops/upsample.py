"""Enlarging an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator
from resdsl.ir.torch_code import TorchCode, square, unless
from resdsl.ir.types import Size, TensorType, Word
from resdsl.ops.checks import require_image
from resdsl.ops.identity import Identity
from resdsl.ops.interpolate import Interpolate
from resdsl.ops.resampling import MODES, require_corners, resample, resampling_gradient
from resdsl.ops.signature import arg
from resdsl.ops.windows import size_label


@dataclass(frozen=True, slots=True)
class Upsample(Operator):
    """An image enlarged by an integer factor, as by PyTorch's ``Upsample``.

    Row ``i`` of the result is read at row ``r`` of the input, columns likewise. ``nearest``: ``r = i // factor``.
    ``bilinear``: ``r = (i + 0.5) / factor - 0.5``, clamped to the image, and interpolated between the two rows
    around it; with ``align_corners``: ``r = i * (rows - 1) / (factor * rows - 1)``, so that the corners coincide.
    """

    name: ClassVar[str] = "upsample"
    enlarges: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("upsample", (2, 3, 3, 4)),
        Example("upsample(3)", (1, 2, 3, 2)),
        Example("upsample(factor = 2x3)", (1, 2, 3, 2)),
        Example("upsample(mode = bilinear)", (2, 3, 3, 4)),
        Example("upsample(4x3, mode = bilinear)", (1, 2, 1, 5)),
        Example("upsample(2, mode = bilinear, align_corners = true)", (1, 2, 3, 4)),
        Example("upsample(3, mode = bilinear, align_corners = true)", (1, 2, 1, 4)),
    )

    factor: Size = arg(Size(2, 2), doc="ratio of the new height and width to the old")
    mode: Word = arg(Word("nearest"), doc="how values between pixels are computed", words=MODES)
    align_corners: bool = arg(False, doc="for `bilinear`: the centres of the corner pixels stay at the corners")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "upsampling")
        require_corners(self.mode, self.align_corners)
        batch, channels, rows, columns = x.shape
        return x.with_shape(batch, channels, self.factor.height * rows, self.factor.width * columns)

    def canonical(self, *inputs: TensorType) -> Operator:
        if self.factor == Size(1, 1):
            return Identity()
        rows, columns = (factor * size for factor, size in zip(self.factor, inputs[0].shape[2:], strict=True))
        if not isinstance(rows, int) or not isinstance(columns, int):
            return self
        return Interpolate(Size(rows, columns), self.mode, self.align_corners)

    def label(self) -> str:
        return f"upsample x{size_label(self.factor)}"

    def in_torch(self, to: TorchCode) -> str:
        corners = unless(self.align_corners, False)
        resize = to.module(
            "Upsample", scale_factor=square(self.factor), mode=unless(str(self.mode), "nearest"), align_corners=corners
        )
        return f"{resize}({to.input})"

    def lower(self, to: Lowering) -> None:
        resample(to, to.floats((1, 1, *self.factor)), mode=self.mode, align_corners=self.align_corners)

    def gradient(self, to: Gradient) -> None:
        resampling_gradient(to, mode=self.mode, align_corners=self.align_corners)
