"""``Gather`` of all channels in another order: a channel shuffle, as the compiler writes it for images of any size."""

from __future__ import annotations

from resdsl.importer.draft import Value
from resdsl.importer.step import Step
from resdsl.ir.types import Word
from resdsl.ops.channel_shuffle import ChannelShuffle
from resdsl.ops.space_to_depth import SpaceToDepth

TYPES = ("Gather",)


def read(step: Step) -> Value | None:
    x, order = step.value(0), step.integers(1)
    if x is None or order is None or x.type.rank < 2 or step.node.integer("axis") % x.type.rank != 1:
        return None
    channels = x.type.shape[1]
    if len(order) != channels or len(order) < 2 or order[:1] != (0,):
        return None
    each = order[1]
    groups = len(order) // each if each > 0 and len(order) % each == 0 else 0
    if groups < 2 or order != tuple(group * each + place for place in range(each) for group in range(groups)):
        return None
    before = x.operator
    if isinstance(before, SpaceToDepth) and before.order == "pixels" and groups == before.block**2:
        # The pixels of a block behind the channels instead of before them.
        value = step.made(SpaceToDepth(before.block, Word("channels")), *x.inputs, taking=(x,))
        if value is not None:
            return value
    return step.made(ChannelShuffle(groups), x)
