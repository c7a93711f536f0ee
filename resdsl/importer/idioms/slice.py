"""``Split``, ``Slice`` and ``Gather`` along the channels: ranges of them. ``Slice`` of pixels: fewer of them."""

from __future__ import annotations

from resdsl.importer.draft import Item, Value, View
from resdsl.importer.step import Step, seen
from resdsl.ir.types import Sides, Size, Word
from resdsl.ops.identity import Identity
from resdsl.ops.maxpool import MaxPool
from resdsl.ops.slice import Slice
from resdsl.ops.trim import Trim

Place = tuple[Value, tuple[int, ...] | None]

_PIXEL, _VALID = Size(1, 1), Word("valid")

_END = (1 << 31) - 1
"""What tools that count in 32 bits have as the end of an axis."""

TYPES = ("Split", "Slice", "Gather")
VIEWS = True


def read(step: Step) -> list[Item] | Value | View | None:
    place = step.place()
    if place is None or place[0].type.rank < 2:
        return None
    base, _ = place
    channels = base.type.shape[1]
    if not isinstance(channels, int):
        return None
    axes = _axes(step)
    if step.type == "Slice" and any(pace != 1 for pace in step.integers(4) or ()):
        return _every_other(step, place, axes)
    bounds = _parts(step, channels) if step.type == "Split" else _range(step, channels)
    if step.type == "Slice" and any(_own(axis, place) > 1 for axis in axes) and base.type.rank == 4:
        return _trimmed(step, place, axes)
    if len(axes) != 1 or bounds is None:
        return None
    if _own(axes[0], place) != 1:
        return None
    results: list[Item] = []
    for name, (start, stop) in zip(step.node.outputs, bounds, strict=False):
        operator = Slice(start, stop) if stop - start < channels else Identity()
        value = step.output(name).made_in(place, operator)
        if value is None:
            return None
        results.append(value)
    return results


def _parts(step: Step, channels: int) -> list[tuple[int, int]] | None:
    sizes = step.integers(1) if step.given(1) else step.node.integers("split")
    count = len(step.node.outputs)
    if sizes is None and not step.given(1):
        # Equal parts, of which the last may be smaller.
        each = -(-channels // count)
        sizes = (*[each] * (count - 1), channels - each * (count - 1))
    if sizes is None or len(sizes) != count or sum(sizes) != channels or min(sizes) < 1:
        return None
    ends = [sum(sizes[: place + 1]) for place in range(count)]
    return [(end - size, end) for end, size in zip(ends, sizes, strict=True)]


def _axes(step: Step) -> tuple[int, ...]:
    if step.type in ("Gather", "Split"):
        return (step.node.integer("axis"),)
    starts = step.integers(1) if step.given(1) else step.node.integers("starts")
    axes = step.axes(index=3)
    if axes is None:
        return () if step.given(3) else tuple(range(len(starts or ())))
    return axes


def _range(step: Step, channels: int) -> list[tuple[int, int]] | None:
    if step.type == "Gather":
        places = step.integers(1)
        if not places or step.rank(1) != 1:
            return None
        start = places[0] % channels
        return [(start, start + len(places))] if places == tuple(range(start, start + len(places))) else None
    by_input = step.given(1)
    starts = step.integers(1) if by_input else step.node.integers("starts")
    ends = step.integers(2) if by_input else step.node.integers("ends")
    steps = step.integers(4) if step.given(4) else (1,)
    if starts is None or ends is None or len(starts) != 1 or len(ends) != 1 or steps != (1,):
        return None
    start, stop, _ = slice(starts[0], ends[0]).indices(channels)
    return [(start, stop)] if start < stop else None


def _every_other(step: Step, place: Place, axes: tuple[int, ...]) -> Value | View | None:
    """Every second (third ..) row or column: a pool of one pixel with a stride, behind a trim of those before."""
    base, perm = place
    starts, ends, steps = (step.integers(index) for index in (1, 2, 4))
    if base.type.rank != 4 or starts is None or ends is None or steps is None:
        return None
    strides, skipped = [1, 1, 1, 1], [0, 0, 0, 0]
    for axis, start, end, pace in zip(axes, starts, ends, steps, strict=True):
        own = _own(axis, place)
        size = base.type.shape[own]
        if own < 2 or pace < 1 or start < 0 or end < (size if isinstance(size, int) else _END):
            return None
        strides[own], skipped[own] = pace, start
    stride = Size(strides[2], strides[3])
    if any(skipped):
        trim = Trim(Sides(skipped[2], skipped[3], 0, 0))
        rest = step.inner(trim, base, name=f"{step.node.outputs[0]}:trim")
        return None if rest is None else step.made_in((rest, perm), MaxPool(_PIXEL, stride, _VALID))
    before = base.operator
    if isinstance(before, MaxPool) and before == MaxPool(_PIXEL, before.stride, _VALID) and 1 in before.stride:
        # Rows first, then columns.
        both = Size(before.stride.height * stride.height, before.stride.width * stride.width)
        value = step.made_in((base.inputs[0], perm), MaxPool(_PIXEL, both, _VALID), taking=(base,))
        if value is not None:
            return value
    return step.made_in(place, MaxPool(_PIXEL, stride, _VALID))


def _trimmed(step: Step, place: Place, axes: tuple[int, ...]) -> Value | View | None:
    """Without some rows and columns at the sides."""
    by_input = step.given(1)
    starts = step.integers(1) if by_input else step.node.integers("starts")
    ends = step.integers(2) if by_input else step.node.integers("ends")
    if starts is None or ends is None or not len(starts) == len(ends) == len(axes):
        return None
    sides = [0, 0, 0, 0]
    for axis, start, end in zip(axes, starts, ends, strict=True):
        own = _own(axis, place)
        size = place[0].type.shape[own]
        if own < 2:
            if start != 0 or end < (size if isinstance(size, int) else _END):
                return None
        elif isinstance(size, int):
            first, stop, _ = slice(start, end).indices(size)
            sides[own - 2], sides[own] = first, size - stop
        elif start >= 0 and (end < 0 or end >= _END):
            sides[own - 2], sides[own] = start, -min(end, 0)
        else:
            return None
    if not any(sides):
        return seen(*place)
    return step.made_in(place, Trim(Sides(*sides)))


def _own(axis: int, place: Place) -> int:
    """The axis of the value that the axis of a node is, in its layout."""
    base, perm = place
    axis %= max(1, base.type.rank)
    return axis if perm is None else perm[axis]
