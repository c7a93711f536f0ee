"""``[N, C]`` as ``[N, C, 1, 1]``: the end of a gate that was computed with linear layers.

What was flattened from ``[N, C, 1, 1]`` and becomes that again need not have been flattened: a linear layer between is
a 1x1 convolution, and everything that computes each element or channel alone stays what it is.
"""

from __future__ import annotations

from collections import Counter

from resdsl.importer.derived import Reshaped, derived
from resdsl.importer.draft import Value
from resdsl.importer.layout import Layout, layout_of
from resdsl.importer.step import Step
from resdsl.ir.operator import Operator
from resdsl.ir.types import Size
from resdsl.ops.affine import Affine
from resdsl.ops.bn import BatchNorm
from resdsl.ops.branch_softmax import BranchSoftmax
from resdsl.ops.branch_sum import BranchSum
from resdsl.ops.channel_conv import ChannelConv
from resdsl.ops.channel_shuffle import ChannelShuffle
from resdsl.ops.conv import Conv
from resdsl.ops.dropout import Dropout
from resdsl.ops.elementwise import Elementwise
from resdsl.ops.flatten import Flatten
from resdsl.ops.join import Join
from resdsl.ops.layer_norm import LayerNorm
from resdsl.ops.linear import Linear
from resdsl.ops.slice import Slice
from resdsl.ops.softmax import Softmax

_OF_ANY_RANK = (
    Elementwise,
    Affine,
    BatchNorm,
    BranchSoftmax,
    BranchSum,
    ChannelConv,
    ChannelShuffle,
    Dropout,
    Join,
    LayerNorm,
    Slice,
    Softmax,
)
"""Operators that do with ``[N, C, 1, 1]`` what they do with ``[N, C]``."""

_MOST = 64
"""Operators between the two."""


def unflattened(step: Step, base: Value, layout: Layout) -> Value | None:
    """The value of a node that gives ``[N, C]`` the layout ``[N, C, 1, 1]``."""
    if step.path:
        return None  # the language has no such layer: this is a part of one
    if base.type.rank != 2 or len(layout) != 4 or layout != (*layout_of(base.type.shape), (), ()):
        return None
    chain = _chain(step, base)
    if chain is None:
        return None
    images: dict[int, Value] = {}
    for value, operator in chain:
        if operator is None:
            images[id(value)] = value.inputs[0]
            continue
        tensors = dict(value.tensors)
        if isinstance(operator, Conv):
            shape = (*tensors["weight"].shape, 1, 1)
            tensors["weight"] = derived(Reshaped(shape), shape, tensors["weight"])
        image = step.again(value, operator, *(images[id(one)] for one in value.inputs), tensors=tensors)
        if image is None:
            return None
        images[id(value)] = image
    return images[id(base)]


def _chain(step: Step, base: Value) -> list[tuple[Value, Operator | None]] | None:
    """The values from the ``flatten`` on and what they are without it, inputs first; ``None`` if they need it."""
    found: dict[int, Operator | None] = {}
    order: list[tuple[Value, Operator | None]] = []
    reads = Counter({base.name: 1})
    waiting = [(base, False)]
    while waiting:
        value, is_last = waiting.pop()
        if is_last:
            order.append((value, found[id(value)]))
            continue
        if id(value) in found:
            continue
        operator = value.operator
        if isinstance(operator, Flatten) and value.inputs[0].type.shape[2:] == (1, 1):
            found[id(value)] = None
        elif isinstance(operator, Linear):
            found[id(value)] = Conv(operator.features, Size(1, 1), bias=operator.bias)
        elif isinstance(operator, _OF_ANY_RANK) and len(found) < _MOST:
            found[id(value)] = operator
        else:
            return None
        waiting.append((value, True))
        if found[id(value)] is not None:
            reads.update(one.name for one in value.inputs)
            waiting += [(one, False) for one in value.inputs]
    # What others read too would be computed twice, and its weights would belong to two operators.
    if any(operator and step.draft.uses[value.name] != reads[value.name] for value, operator in order):
        return None
    return order
