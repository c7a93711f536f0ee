"""Padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator, Steps, Window
from resdsl.ir.torch_code import TorchCode, padded
from resdsl.ir.types import Sides, TensorType
from resdsl.ops.checks import require_image
from resdsl.ops.identity import Identity
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class Pad(Operator):
    """Pixels added around an image, and channels before and after its own, all of one value.

    Channels are added by a shortcut of option A (He et al. 2015, section 3.3): ``pad(after = 64)``.
    """

    name: ClassVar[str] = "pad"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("pad(1)", (2, 3, 5, 4)),
        Example("pad(1x2, value = -0.5)", (1, 2, 3, 4)),
        Example("pad([0, 1, 2, 3])", (1, 2, 3, 4)),
        Example("pad(before = 2, after = 3)", (1, 4, 3, 2)),
        Example("pad(sides = 1, after = 1, value = 2)", (1, 1, 2, 2)),
        Example("pad", (1, 1, 2, 2)),
    )

    sides: Sides = arg(Sides(0, 0, 0, 0), doc="pixels at each side")
    before: int = arg(0, doc="channels before the input's", at_least=0)
    after: int = arg(0, doc="channels after the input's", at_least=0)
    value: float = arg(0.0, doc="the value of the added pixels and channels")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "padding")
        batch, channels, rows, columns = x.shape
        top, left, bottom, right = self.sides
        return x.with_shape(
            batch, channels + (self.before + self.after), rows + (top + bottom), columns + (left + right)
        )

    def canonical(self, *inputs: TensorType) -> Operator:
        return self if any(self.sides) or self.before or self.after else Identity()

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        return Window(Steps(pad=self.sides.top), Steps(pad=self.sides.left))

    def label(self) -> str:
        channels = self.before + self.after
        return f"pad, {channels} channels" if channels and not any(self.sides) else ""

    def in_torch(self, to: TorchCode) -> str:
        return padded(
            to.input, self.sides, value=repr(self.value) if self.value else "", channels=(self.before, self.after)
        )

    def lower(self, to: Lowering) -> None:
        top, left, bottom, right = self.sides
        # ONNX pads: all begins, then all ends.
        pads = to.integers((self.before, top, left, self.after, bottom, right))
        # A pad of some axes, as ONNX Runtime makes one of all axes with zeros the padding of a max pool that reads it,
        # and its padding is below all values (its `PadFusion`; found in 1.31).
        to("Pad", to.input, pads, to.number(self.value), to.integers((1, 2, 3)), mode="constant")

    def gradient(self, to: Gradient) -> None:
        top, left, bottom, right = self.sides
        pads = (self.before, top, left, self.after, bottom, right)
        to.give(to("Pad", to.gradient, to.integers([-side for side in pads]), None, to.integers((1, 2, 3))))
