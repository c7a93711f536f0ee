"""The base class of operators that compute each element on its own. Not an operator of the language itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Operator
from resdsl.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Elementwise(Operator):
    """A function of each element alone: it takes any shape and returns the same."""

    drawn_inside: ClassVar[bool] = True

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        return x
