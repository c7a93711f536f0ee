"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.operator import Example, Gradient, Lowering, Ref, Refusal, TrainingLowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.cast import ONNX_TYPES
from resdsl.ops.elementwise import Elementwise
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class Dropout(Elementwise):
    """``y = x``: at inference nothing is dropped (Srivastava et al. 2014, in the form that scales while training).

    It stays in the ONNX file as a ``Dropout``, for training tools; ONNX Runtime removes it.
    """

    name: ClassVar[str] = "dropout"
    is_identity: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("dropout", (2, 3, 5, 4)),
        Example("dropout(rate = 0.2)", (3, 7)),
        Example("dropout(0)", (3, 7)),
    )

    rate: float = arg(0.5, doc="the fraction of the elements that training drops", within=(0, 1))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        # The file stores 32 bits: a rate that rounds to 1 is 1 there.
        if self.rate >= 1 - 2**-25:
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                f"a rate of {self.rate:.12g} drops everything, which leaves nothing to train",
                argument="rate",
                helps=("a rate well below 1",),
            )
        return x

    def label(self) -> str:
        return f"dropout {self.rate:g}"

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('Dropout', self.rate)}({to.input})"

    def lower(self, to: Lowering) -> None:
        to("Dropout", to.input, to.number(self.rate))

    def lower_training(self, to: TrainingLowering) -> None:
        """``y = x * mask / (1 - rate)``. The mask is a hash of the seed, the operator's place and the element's index.

        So it is the same on every machine, unlike numbers of ``RandomUniform``, whose seed is an attribute. The hash is
        ``[15 2c1b3c6d 12 297a2d39 15]`` of C. Wellons' hash prospector: its products of 32 bits with 30 fit in an
        ``int64``.
        """
        if self.rate == 0:
            self.lower(to)
            return
        import numpy as np

        def number(value: int) -> Ref:
            return to.constant(np.array(value, dtype=np.int64))

        def hashed(value: Ref) -> Ref:
            for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
                value = to("BitwiseXor", value, to("Div", value, number(2**shift)))
                value = to("BitwiseAnd", to("Mul", value, number(factor)), low)
            return to("BitwiseXor", value, to("Div", value, number(2**15)))

        low = number(2**32 - 1)
        shape = to("Shape", to.input)
        index = to("Range", number(0), to("ReduceProd", shape, keepdims=0), number(1))
        key = hashed(to("BitwiseAnd", to("Add", hashed(to.seed), number(to.place * 0x9E3779B1 % 2**32)), low))
        bits = hashed(to("BitwiseAnd", to("Add", hashed(index), key), low))
        kept = to("GreaterOrEqual", bits, number(round(self.rate * 2**32)))
        mask = to("Mul", to("Cast", kept, to=ONNX_TYPES[to.types[0].dtype]), to.number(1 / (1 - self.rate)))
        mask = to("Reshape", mask, shape)
        to.keep("mask", mask)
        to.returns(to("Mul", to.input, mask))

    def gradient(self, to: Gradient) -> None:
        to.give(to("Mul", to.gradient, to.kept("mask")) if self.rate else to.gradient)
