"""An image of another size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator, Window
from resdsl.ir.torch_code import TorchCode, square, unless
from resdsl.ir.types import Size, TensorType, Word
from resdsl.ops.checks import require_image
from resdsl.ops.identity import Identity
from resdsl.ops.resampling import MODES, require_corners, resample, resampling_gradient
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class Interpolate(Operator):
    """An image enlarged or reduced to a size, as by PyTorch's ``interpolate``; see ``upsample`` for a factor.

    Row ``i`` of the result is read at row ``r`` of the input, columns likewise; ``q = rows / height``. ``nearest``:
    ``r = floor(i * q)``. ``bilinear``: ``r = (i + 0.5) * q - 0.5``, clamped to the image, and interpolated between the
    two rows around it; with ``align_corners``: ``r = i * (rows - 1) / (height - 1)``.
    """

    name: ClassVar[str] = "interpolate"
    aliases: ClassVar[tuple[str, ...]] = ("resize",)
    examples: ClassVar[tuple[Example, ...]] = (
        Example("interpolate(7)", (2, 3, 3, 3)),
        Example("interpolate(4x9)", (1, 2, 6, 5)),
        Example("interpolate(5x7, mode = bilinear)", (1, 2, 3, 4)),
        Example("interpolate(size = 2x3, mode = bilinear)", (1, 2, 5, 3)),
        Example("interpolate(7x5, mode = bilinear, align_corners = true)", (1, 2, 3, 4)),
    )

    size: Size = arg(doc="height and width of the result")
    mode: Word = arg(Word("nearest"), doc="how values between pixels are computed", words=MODES)
    align_corners: bool = arg(False, doc="for `bilinear`: the centres of the corner pixels stay at the corners")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "interpolation")
        require_corners(self.mode, self.align_corners)
        return x.with_shape(x.shape[0], x.channels, *self.size)

    def canonical(self, *inputs: TensorType) -> Operator:
        (x,) = inputs
        return Identity() if x.shape[2:] == tuple(self.size) else self

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        return None

    def label(self) -> str:
        return f"resize to {self.size}"

    def in_torch(self, to: TorchCode) -> str:
        corners = unless(self.align_corners, False)
        resize = to.module(
            "Upsample", size=square(self.size), mode=unless(str(self.mode), "nearest"), align_corners=corners
        )
        return f"{resize}({to.input})"

    def lower(self, to: Lowering) -> None:
        resample(to, None, to.integers(self.size), mode=self.mode, align_corners=self.align_corners, axes=(2, 3))

    def gradient(self, to: Gradient) -> None:
        resampling_gradient(to, mode=self.mode, align_corners=self.align_corners)
