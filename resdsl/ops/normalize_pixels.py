"""Raw images to the numbers that a network computes with. The language writes it as a step of ``preprocess``."""

from __future__ import annotations

from dataclasses import dataclass

from resdsl.ir.operator import Lowering, Operator, Ref
from resdsl.ir.types import DType, TensorType
from resdsl.ops.cast import ONNX_TYPES


@dataclass(frozen=True, slots=True)
class NormalizePixels(Operator):
    """``y[n, c, i, j] = (x[n, i, j, c] / divisor - mean[c]) / std[c]``, from bytes to 32-bit floats.

    With ``reverse`` the channels are turned around first, from RGB to BGR; ``mean`` and ``std`` are in the new order.
    """

    divisor: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    reverse: bool

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        batch, rows, columns, channels = x.shape
        return TensorType(DType.F32, (batch, channels, rows, columns))

    def lower(self, to: Lowering) -> None:
        x = to.input
        channels = to.result.channels
        assert isinstance(channels, int)
        if self.reverse:
            x = to("Gather", x, to.integers(range(channels)[::-1]), axis=3)
        x = to("Cast", to("Transpose", x, perm=(0, 3, 1, 2)), to=ONNX_TYPES[DType.F32])
        # In this order, and as divisions, so that the numbers are those of the preprocessing outside of a model.
        if self.divisor != 1:
            x = to("Div", x, to.floats([self.divisor]))
        if any(self.mean):
            x = to("Sub", x, _by_channel(to, self.mean))
        if set(self.std) != {1}:
            to("Div", x, _by_channel(to, self.std))


def _by_channel(to: Lowering, values: tuple[float, ...]) -> Ref:
    import numpy as np  # operators are listed without it

    return to.constant(np.array(values, np.float32).reshape(-1, 1, 1))
