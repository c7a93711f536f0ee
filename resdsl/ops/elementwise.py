"""What the operators that compute each element for itself have in common. No operator of the language itself."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.ir.operator import Operator
from resdsl.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Elementwise(Operator):
    """A function of each element alone: it takes any shape and gives the same."""

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        return x
