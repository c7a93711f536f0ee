"""Initial values of parameters, as data. An operator states them; ``resdsl.weights.sampling`` generates them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Constant:
    """Every element is ``value``."""

    value: float


@dataclass(frozen=True, slots=True)
class VarianceScaling:
    """Random, with a variance scaled by the number of connections. The user's ``Scheme`` chooses the distribution.

    ``fan_in`` is how many products are summed into one element of the operator's result, ``fan_out`` how many elements
    of the result one element of the input contributes to.
    """

    fan_in: int
    fan_out: int


Initializer = Constant | VarianceScaling

ONES = Constant(1)
ZEROS = Constant(0)
