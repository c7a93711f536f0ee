"""A channel shuffle: the channels as a matrix, transposed, and in a row again."""

from __future__ import annotations

from resdsl.importer.draft import Value
from resdsl.importer.shapes import reshaped_shape
from resdsl.importer.step import Step
from resdsl.ops.channel_shuffle import ChannelShuffle
from resdsl.ops.opaque import Opaque

TYPES = ("Reshape",)
NODES = 3
VIEWS = True


def read(step: Step) -> Value | None:
    view, sizes = step.view(0), step.sizes(1)
    if view is None or sizes is None or view.perm[:3] != (0, 2, 1) or view.perm[3:] != tuple(range(3, len(view.perm))):
        return None
    matrix = view.base
    if not isinstance(matrix.operator, Opaque) or matrix.operator.type != "Reshape" or len(matrix.inputs) != 1:
        return None
    (x,) = matrix.inputs
    shape, (batch, groups, each, *pixels) = x.type.shape, matrix.type.shape
    if not isinstance(groups, int) or (batch, groups * each, *pixels) != shape:
        return None
    if reshaped_shape(view.shape, sizes) != shape or step.draft.uses[matrix.name] != 1:
        return None
    return step.made(ChannelShuffle(groups), x, taking=(matrix,))
