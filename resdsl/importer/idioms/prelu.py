"""``PRelu`` with one slope, or one for each channel."""

from __future__ import annotations

from resdsl.importer.derived import reshaped
from resdsl.importer.draft import Value, View
from resdsl.importer.step import Step, channel_count
from resdsl.ops.prelu import PRelu

TYPES = ("PRelu",)
VIEWS = True


def read(step: Step) -> Value | View | None:
    place, slope = step.place(), step.constant(1)
    if place is None or slope is None or slope.rank > place[0].type.rank:
        return None
    count = 1 if slope.count == 1 else channel_count(slope, *place)
    if count is None:
        return None
    return step.made_in(place, PRelu(count > 1), tensors={"weight": reshaped(slope, (count,))})
