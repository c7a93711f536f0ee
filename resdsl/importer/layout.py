"""Layouts: what ``Reshape``, ``Transpose``, ``Squeeze`` and ``Unsqueeze`` make of the axes of a value.

They move no element to another number, they only say where each one stands. So an axis of what they give is a row of
*factors* of the axes of the value: ``[N, C, H, W]`` as ``[N, 2, C / 2, H * W]`` has the axes ``N``, the outer factor of
``C`` with 2 places, the inner one, and ``H`` with ``W`` in a row. Any chain of such nodes is one layout, and two chains
that give the same layout do the same. Factors of one place are left out, so a batch of fixed size 1 fits every layout
that it belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from resdsl.importer.shapes import product
from resdsl.ir.dims import Dim, exact_quotient


class Factor(NamedTuple):
    """``size`` places of an axis of the value, each ``stride`` from the one before; not for a size of 1."""

    axis: int
    stride: Dim
    size: Dim


Axis = tuple[Factor, ...]
Layout = tuple[Axis, ...]


def layout_of(shape: Sequence[Dim]) -> Layout:
    """The layout of a value itself."""
    return tuple(() if size == 1 else (Factor(axis, 1, size),) for axis, size in enumerate(shape))


def shape_of(layout: Layout) -> tuple[Dim, ...]:
    """The sizes of the axes."""
    return tuple(product([factor.size for factor in axis]) for axis in layout)


def permuted(layout: Layout, perm: Sequence[int]) -> Layout:
    """The axes in another order."""
    return tuple(layout[axis] for axis in perm)


def reshaped(layout: Layout, sizes: Sequence[Dim]) -> Layout | None:
    """The elements in their order as axes of these sizes; ``None`` where an axis would begin within a factor."""
    waiting = [factor for axis in layout for factor in axis][::-1]
    result: list[Axis] = []
    for size in sizes:
        axis: list[Factor] = []
        left: Dim = size
        while left != 1:
            if not waiting:
                return None
            factor = waiting.pop()
            rest = exact_quotient(left, factor.size)
            if rest is not None:
                axis.append(factor)
                left = rest
                continue
            inner = exact_quotient(factor.size, left)
            if inner is None:
                return None
            axis.append(Factor(factor.axis, factor.stride * inner, left))
            waiting.append(Factor(factor.axis, factor.stride, inner))
            left = 1
        result.append(_joined(axis))
    return None if waiting else tuple(result)


def _joined(axis: Sequence[Factor]) -> Axis:
    """Neighbouring factors that are one, as before they were split."""
    result: list[Factor] = []
    for factor in axis:
        outer = result[-1] if result else None
        if outer is not None and outer.axis == factor.axis and outer.stride == factor.stride * factor.size:
            result[-1] = Factor(factor.axis, factor.stride, outer.size * factor.size)
        else:
            result.append(factor)
    return tuple(result)


def permutation(layout: Layout, shape: Sequence[Dim]) -> tuple[int, ...] | None:
    """The axes of the value in the order of the layout, where it has whole axes alone; else ``None``.

    Axes of one place are taken in their order.
    """
    if len(layout) != len(shape):
        return None
    whole = {axis: place for place, axis in enumerate(layout_of(shape)) if axis}
    units = iter([place for place, size in enumerate(shape) if size == 1])
    perm: list[int] = []
    for axis in layout:
        place = whole.get(axis) if axis else next(units, None)
        if place is None:
            return None
        perm.append(place)
    return tuple(perm)
