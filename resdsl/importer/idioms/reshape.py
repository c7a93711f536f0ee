"""``Reshape``, ``Flatten``, ``Squeeze``: the flattening before a classifier."""

from __future__ import annotations

from resdsl.importer.draft import Value
from resdsl.importer.shapes import reshaped_shape
from resdsl.importer.step import Step
from resdsl.ops.flatten import Flatten
from resdsl.ops.identity import Identity

TYPES = ("Reshape", "Flatten", "Squeeze")


def read(step: Step) -> Value | None:
    x = step.value(0)
    if x is None:
        return None
    shape = x.type.shape
    if step.type == "Flatten":
        return step.made(Flatten(), x) if step.node.integer("axis", 1) % (len(shape) + 1) == 1 else None
    if step.type == "Squeeze":
        axes = step.axes()
        if axes is None or len(shape) != 4 or {axis % 4 for axis in axes} != {2, 3}:
            return None
        return step.made(Flatten(), x)
    sizes = step.sizes(1)
    result = None if sizes is None else reshaped_shape(shape, sizes, allow_zero=bool(step.node.integer("allowzero")))
    if result is None:
        return None
    if result == shape:
        return step.made(Identity(), x)
    return step.made(Flatten(), x) if result == Flatten().infer(x.type).shape else None
