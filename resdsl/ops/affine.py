"""The weight and the bias that norms apply to each channel after normalising."""

from __future__ import annotations

from resdsl.ir.initializers import ONES, ZEROS
from resdsl.ir.operator import ParameterSpec
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known_channels


def weight_and_bias(x: TensorType) -> tuple[ParameterSpec, ...]:
    """One of each for every channel of ``x``; at first they change nothing."""
    shape = (known_channels(x),)
    return (
        ParameterSpec("weight", shape, ONES, dtype=x.dtype),
        ParameterSpec("bias", shape, ZEROS, dtype=x.dtype),
    )
