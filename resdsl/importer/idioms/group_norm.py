"""Group norm: ``GroupNormalization``, or each group as one channel of an instance norm.

``Reshape(x, [0, groups, -1])``, ``InstanceNormalization`` with weights of 1 and biases of 0, ``Reshape`` back. A weight
and a bias for each channel, which may follow, are added as those of any norm.
"""

from __future__ import annotations

from resdsl.importer.derived import stored
from resdsl.importer.draft import Value, View
from resdsl.importer.layout import layout_of, reshaped
from resdsl.importer.numbers import all_near, short
from resdsl.importer.step import Step
from resdsl.ops.group_norm import GroupNorm

TYPES = ("GroupNormalization", "InstanceNormalization")
NODES = 2
VIEWS = True

_WEIGHT_OF_EACH_CHANNEL_SINCE = 21


def read(step: Step) -> Value | View | None:
    if step.type == "GroupNormalization":
        return _one_node(step)
    view, ones, zeros = step.view(0), step.constant(1), step.constant(2)
    if view is None or ones is None or zeros is None:
        return None
    if not all_near(ones.items, 1.0) or not all_near(zeros.items, 0.0) or len(view.layout) < 3:
        return None
    base = view.base
    shape, groups = base.type.shape, view.shape[1]
    # The elements in their order, the first axes being the batch and the groups.
    if view.shape[0] != shape[0] or reshaped(view.layout, shape) != layout_of(shape) or not isinstance(groups, int):
        return None
    value = step.made(GroupNorm(groups, _eps(step), False), base, also=view.records)
    return None if value is None else view.of(value)


def _one_node(step: Step) -> Value | None:
    x, weight, bias = step.value(0), step.constant(1), step.constant(2)
    groups = step.node.integer("num_groups")
    if x is None or weight is None or bias is None or groups < 1:
        return None
    if all_near(weight.items, 1.0) and all_near(bias.items, 0.0) and not step.is_learned(weight):
        return step.made(GroupNorm(groups, _eps(step), False), x)
    if step.opset < _WEIGHT_OF_EACH_CHANNEL_SINCE:
        # One weight and one bias for each group.
        return None
    return step.made(GroupNorm(groups, _eps(step)), x, tensors={"weight": stored(weight), "bias": stored(bias)})


def _eps(step: Step) -> float:
    return short(step.node.number("epsilon", 1e-5))
