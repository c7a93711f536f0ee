"""Cropping of raw images by the network itself. The language writes it as a step of ``preprocess``."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.ir.operator import Lowering, Operator
from resdsl.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class CropPixels(Operator):
    """The central ``size x size`` pixels of images ``u8[N, H, W, C]``, padded with black where they are smaller.

    As torchvision's ``CenterCrop``: of a side ``L >= size`` the crop begins at ``(L - size) / 2``, a half rounded to
    even; a shorter side gets ``(size - L) // 2`` pixels before it. ``fits`` says that no side can be shorter.
    """

    size: int
    fits: bool

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        batch, _, _, channels = x.shape
        return x.with_shape(batch, self.size, self.size, channels)

    def lower(self, to: Lowering) -> None:
        size, axes, two = (to.integers(values) for values in ((self.size,), (1, 2), (2,)))
        x = to.input
        sides = to("Shape", x, start=1, end=3)
        excess = to("Sub", sides, size)
        if not self.fits:
            zero = to.integers((0,))
            missing = to("Max", to("Sub", size, sides), zero)
            before = to("Div", missing, two)
            x = to("Pad", x, to("Concat", before, to("Sub", missing, before), axis=0), None, axes, mode="constant")
            excess = to("Max", excess, zero)
        half = to("Div", excess, two)
        # 2 * half + 1 over two is rounded to even: up where `half` is odd.
        start = to("Add", half, to("Mul", to("Mod", excess, two), to("Mod", half, two)))
        to("Slice", x, start, to("Add", start, size), axes)
