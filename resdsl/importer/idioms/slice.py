"""``Split``, ``Slice`` and ``Gather`` along the channels: ranges of them."""

from __future__ import annotations

from resdsl.importer.draft import Item, Value, View
from resdsl.importer.step import Step
from resdsl.ops.identity import Identity
from resdsl.ops.slice import Slice

TYPES = ("Split", "Slice", "Gather")
VIEWS = True


def read(step: Step) -> list[Item] | Value | View | None:
    place = step.place()
    if place is None or place[0].type.rank < 2:
        return None
    base, perm = place
    channels = base.type.shape[1]
    if not isinstance(channels, int):
        return None
    axes = _axes(step)
    bounds = _parts(step, channels) if step.type == "Split" else _range(step, channels)
    if len(axes) != 1 or bounds is None:
        return None
    axis = axes[0] % base.type.rank
    if (axis if perm is None else perm[axis]) != 1:
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
