"""The input of a network, as node 0 of its graph."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.ir.operator import Operator
from resdsl.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Input(Operator):
    """Where the graph begins. The language does not call it, and it lowers to nothing: a back end declares it."""

    type: TensorType

    def infer(self, *inputs: TensorType) -> TensorType:
        if inputs:
            raise TypeError("the input of a graph takes no values")
        return self.type
