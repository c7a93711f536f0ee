"""``Softmax`` over the channels.

Up to operator set 12 it is over all axes from ``axis`` on, taken as one; from set 13 on over ``axis`` alone.
"""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.step import Step
from resdsl.ops.softmax import Softmax

TYPES = ("Softmax",)
VIEWS = True

_ONE_AXIS_SINCE = 13


def read(step: Step) -> Value | View | None:
    place = step.place()
    if place is None:
        return None
    base, perm = place
    rank = base.type.rank
    if rank < 2:
        return None
    if step.opset >= _ONE_AXIS_SINCE:
        axis = step.node.integer("axis", -1) % rank
    else:
        axis = step.node.integer("axis", 1) % rank
        shape = base.type.shape if perm is None else tuple(base.type.shape[one] for one in perm)
        if any(size != 1 for size in shape[axis + 1 :]):
            return None
    if (axis if perm is None else perm[axis]) != 1:
        return None
    return step.made_in(place, Softmax())
