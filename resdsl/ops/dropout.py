"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.operator import Example, Lowering, Refusal
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
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
