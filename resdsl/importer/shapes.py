"""Shapes of values that no operator of the language makes, as far as they are needed to recognise what follows."""

from __future__ import annotations

from collections.abc import Sequence

from resdsl.ir.dims import Dim, exact_quotient


def reshaped_shape(shape: Sequence[Dim], sizes: Sequence[Dim], *, allow_zero: bool = False) -> tuple[Dim, ...] | None:
    """The shape that ``Reshape`` gives: 0 keeps a size, -1 is what is left; ``None`` where that is not known."""
    result: list[Dim] = []
    hole = -1
    for place, size in enumerate(sizes):
        if size == 0 and not allow_zero:
            if place >= len(shape):
                return None
            result.append(shape[place])
        elif size == -1:
            if hole >= 0:
                return None
            hole = place
            result.append(1)
        elif isinstance(size, int) and size < 0:
            return None
        else:
            result.append(size)
    if hole >= 0:
        left = exact_quotient(product(shape), product(result))
        if left is None:
            return None
        result[hole] = left
    return tuple(result)


def product(sizes: Sequence[Dim]) -> Dim:
    total: Dim = 1
    for size in sizes:
        total = total * size
    return total
