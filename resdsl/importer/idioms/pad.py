"""``Pad`` with a constant: the language's ``pad``, or ``trim`` where it is negative.

What reads it takes a border of zeros into its own padding.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from resdsl.importer.draft import Value, View
from resdsl.importer.numbers import short
from resdsl.importer.step import Step
from resdsl.ir.types import Sides
from resdsl.ops.opaque import Opaque
from resdsl.ops.pad import Pad
from resdsl.ops.trim import Trim

TYPES = ("Pad",)
VIEWS = True


class Padding(NamedTuple):
    """What a ``Pad`` node adds to an image: pixels at the sides, channels, and of which value."""

    sides: Sides
    before: int
    after: int
    value: float


def read(step: Step) -> Value | View | None:
    place = step.place()
    padding = padding_of(step)
    if place is None or padding is None or not math.isfinite(padding.value):
        return None
    taken = Sides(*(max(0, -side) for side in padding.sides))
    added = Sides(*(max(0, side) for side in padding.sides))
    if not any(taken):
        return step.made_in(place, Pad(added, padding.before, padding.after, padding.value))
    if any(added) or padding.before or padding.after:
        before = step.inner(
            Pad(added, padding.before, padding.after, padding.value), place[0], name=f"{step.node.outputs[0]}:pad"
        )
        return None if before is None else step.made_in((before, place[1]), Trim(taken))
    return step.made_in(place, Trim(taken))


def padding_of(step: Step, mode: str = "constant") -> Padding | None:
    """What a ``Pad`` node of this mode does to an image; ``None`` where it pads the batch, or takes off channels."""
    place = step.place()
    if place is None or place[0].type.rank != 4 or step.node.word("mode", "constant") != mode:
        return None
    given = step.integers(1) if step.given(1) else step.node.integers("pads")
    axes = step.integers(3) if step.given(3) else (0, 1, 2, 3)
    if given is None or axes is None or len(given) != 2 * len(axes):
        return None
    perm = place[1]
    begins, ends = [0, 0, 0, 0], [0, 0, 0, 0]
    for at, axis in enumerate(axes):
        own = axis % 4 if perm is None else perm[axis % 4]
        begins[own], ends[own] = given[at], given[at + len(axes)]
    if begins[0] or ends[0] or begins[1] < 0 or ends[1] < 0:
        return None
    value = step.scalar(2) if step.given(2) else step.node.number("value", 0.0)
    if value is None:
        return None
    return Padding(Sides(begins[2], begins[3], ends[2], ends[3]), begins[1], ends[1], short(value))


def zero_border(step: Step, x: Value) -> Sides:
    """The zeros around an image that a ``pad`` of nothing else has put there, if it can be part of this layer."""
    pad = x.operator
    is_border = isinstance(pad, Pad) and pad == Pad(pad.sides) and step.can_take(x)
    return pad.sides if isinstance(pad, Pad) and is_border else Sides(0, 0, 0, 0)


def lowest_border(step: Step, x: Value) -> Sides | None:
    """The pixels around an image that are below all others, as a max pool has them; ``None`` for other pads."""
    if not isinstance(x.operator, Opaque) or x.operator.type != "Pad" or len(x.records) != 1:
        return None
    padding = padding_of(step.of(x.records[0]))
    if padding is None or padding.before or padding.after or padding.value > -3e38 or min(padding.sides) < 0:
        return None
    return padding.sides
