"""Conversion to another element type. Not in the language: the compiler inserts it where the precision changes."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.ir.operator import Gradient, Lowering, Operator
from resdsl.ir.types import DType, TensorType

ONNX_TYPES = {DType.F32: 1, DType.F16: 10, DType.BF16: 16}
"""``TensorProto.FLOAT`` and so on, as the ONNX format numbers them."""


@dataclass(frozen=True, slots=True)
class Cast(Operator):
    """``y = x``, rounded to the nearest number of type ``dtype``."""

    dtype: DType

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        return TensorType(self.dtype, x.shape)

    def lower(self, to: Lowering) -> None:
        to("Cast", to.input, to=ONNX_TYPES[self.dtype])

    def gradient(self, to: Gradient) -> None:
        (x,) = to.types
        to.give(to("Cast", to.gradient, to=ONNX_TYPES[x.dtype]))
