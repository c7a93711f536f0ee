"""Layer norm over the channels: ``LayerNormalization`` where the channels come last, or spelled out on any layout.

Spelled out it is ``(x - mean) / Sqrt(Mean((x - mean)^2) + eps)``, with a ``Pow`` or a product for the square, or
``(x - mean) * Reciprocal(Sqrt(..))``. A weight and a bias, which may follow, are added as those of any norm.
"""

from __future__ import annotations

from resdsl.importer.derived import reshaped
from resdsl.importer.draft import Constant, Tensor, Value, View
from resdsl.importer.numbers import all_near, short
from resdsl.importer.pattern import Match, NodePattern, Operand, Weight, match, node
from resdsl.importer.step import Step
from resdsl.ops.affine import Affine
from resdsl.ops.layer_norm import LayerNorm

TYPES = ("LayerNormalization", "Mul", "Div")
NODES = 6
VIEWS = True

_X = Operand("x")


def _normalised() -> list[NodePattern]:
    mean = node("ReduceMean", _X, name="mean")
    centred = node("Sub", _X, mean)
    forms = []
    for square in (node("Pow", centred, 2.0), node("Mul", centred, centred)):
        spread = node("Sqrt", node("Add", node("ReduceMean", square, name="variance"), Weight("eps")))
        forms += [
            node("Div", centred, spread),
            node("Mul", centred, node("Reciprocal", spread)),
            node("Mul", centred, node("Div", 1.0, spread)),
        ]
    return forms


_PATTERNS = _normalised()


def read(step: Step) -> Value | View | None:
    if step.type == "LayerNormalization":
        return _one_node(step)
    found = match(step, *_PATTERNS)
    place = None if found is None else found.base("x")
    eps = None if found is None else found.number("eps")
    if found is None or place is None or eps is None or not _over_channels(found, *place):
        return None
    return step.made_in(place, LayerNorm(short(eps), False), also=found.records[1:])


def _over_channels(found: Match, base: Value, perm: tuple[int, ...] | None) -> bool:
    """Whether both means are over the channels alone, and keep the axis."""
    rank = base.type.rank
    for name in ("mean", "variance"):
        axes = found.axes(name)
        if axes is None or len(axes) != 1 or not found.named[name].integer("keepdims", 1):
            return False
        if not _is_channels(base, perm, axes[0] % rank):
            return False
    return True


def _is_channels(base: Value, perm: tuple[int, ...] | None, axis: int) -> bool:
    """Whether an axis is that of the channels, or of one place where there is one channel: no transpose moves that."""
    own = axis if perm is None else perm[axis]
    return own == 1 or (base.type.rank > 1 and base.type.shape[own] == base.type.shape[1] == 1)


def _one_node(step: Step) -> Value | View | None:
    place = step.place()
    weight, bias = step.constant(1), step.constant(2)
    if place is None or weight is None or (step.given(2) and bias is None):
        return None
    if any(step.draft.uses[name] for name in step.node.outputs[1:]):
        return None
    base, perm = place
    rank = base.type.rank
    # It is over all axes from this one on.
    axis = step.node.integer("axis", -1) % rank
    if axis != rank - 1 or not _is_channels(base, perm, axis):
        return None
    eps = short(step.node.number("epsilon", 1e-5))
    if weight.rank != 1:
        return None
    plain = all_near(weight.items, 1.0) and (bias is None or all_near(bias.items, 0.0))
    if plain and not step.is_learned(weight):
        return step.made_in(place, LayerNorm(eps, False))
    if bias is not None:
        return step.made_in(place, LayerNorm(eps), tensors=_vectors(weight=weight, bias=bias))
    norm = step.inner(LayerNorm(eps, False), base, name=f"{step.node.outputs[0]}:norm")
    return None if norm is None else step.made_in((norm, perm), Affine(bias=False), tensors=_vectors(weight=weight))


def _vectors(**constants: Constant) -> dict[str, Tensor]:
    return {name: reshaped(constant, constant.shape) for name, constant in constants.items()}
