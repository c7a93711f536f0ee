"""Group norm: ``GroupNormalization``, or each group as one channel of an instance norm.

``Reshape(x, [0, groups, -1])``, ``InstanceNormalization`` with weights of 1 and biases of 0, ``Reshape`` back, and a
weight and a bias for each channel after it, if it has them.
"""

from __future__ import annotations

from resdsl.importer.derived import reshaped, stored
from resdsl.importer.draft import Tensor, Value
from resdsl.importer.numbers import all_near, short
from resdsl.importer.pattern import Match, Operand, Weight, match, node
from resdsl.importer.shapes import reshaped_shape
from resdsl.importer.step import Step, channel_count
from resdsl.ir.dims import Dim
from resdsl.ops.group_norm import GroupNorm

TYPES = ("GroupNormalization", "Reshape", "Add")
NODES = 4

_BACK = node(
    "Reshape",
    node(
        "InstanceNormalization", node("Reshape", Operand("x"), name="apart"), Weight("ones"), Weight("zeros"), name="n"
    ),
    name="back",
)
_AFFINE = node("Add", node("Mul", _BACK, Weight("weight")), Weight("bias"))

_WEIGHT_OF_EACH_CHANNEL_SINCE = 21


def read(step: Step) -> Value | None:
    if step.type == "GroupNormalization":
        return _one_node(step)
    found = match(step, _BACK if step.type == "Reshape" else _AFFINE)
    x = None if found is None else found.value("x")
    groups = None if found is None or x is None else _groups(found, x)
    if found is None or x is None or groups is None:
        return None
    eps = short(found.named["n"].number("epsilon", 1e-5))
    tensors: dict[str, Tensor] = {}
    for name in ("weight", "bias") if step.type == "Add" else ():
        constant = found.constant(name)
        count = None if constant is None else channel_count(constant, x, None)
        if constant is None or count is None:
            return None
        tensors[name] = reshaped(constant, (count,))
    return step.made(GroupNorm(groups, eps, bool(tensors)), x, tensors=tensors, also=found.records[1:])


def _groups(found: Match, x: Value) -> int | None:
    """The groups, if what is reshaped is what the norm needs: the image, its groups in a row, and as before."""
    ones, zeros = found.constant("ones"), found.constant("zeros")
    if ones is None or zeros is None or not all_near(ones.items, 1.0) or not all_near(zeros.items, 0.0):
        return None
    apart = _reshaped(found, "apart", x.type.shape)
    if apart is None or len(apart) < 3 or apart[0] != x.type.shape[0] or not isinstance(apart[1], int):
        return None
    back = _reshaped(found, "back", apart)
    return apart[1] if back == x.type.shape else None


def _reshaped(found: Match, name: str, shape: tuple[Dim, ...]) -> tuple[Dim, ...] | None:
    sizes = found.sizes(name)
    return None if sizes is None else reshaped_shape(shape, sizes)


def _one_node(step: Step) -> Value | None:
    x, weight, bias = step.value(0), step.constant(1), step.constant(2)
    groups = step.node.integer("num_groups")
    if x is None or weight is None or bias is None or groups < 1:
        return None
    eps = short(step.node.number("epsilon", 1e-5))
    if all_near(weight.items, 1.0) and all_near(bias.items, 0.0):
        return step.made(GroupNorm(groups, eps, False), x)
    if step.opset < _WEIGHT_OF_EACH_CHANNEL_SINCE:
        # One weight and one bias for each group.
        return None
    return step.made(GroupNorm(groups, eps), x, tensors={"weight": stored(weight), "bias": stored(bias)})
