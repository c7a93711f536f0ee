"""EvoNorm-S0, spelled out: ``x * Sigmoid(x * v)``, or ``x``, divided by the deviations of groups of channels.

The groups are ``Reshape(x, [N, groups, ..])``. Their deviations are repeated to the shape of ``x``, or divide it in the
shape of the groups. A weight and a bias, which may follow, are added as those of any norm.
"""

from __future__ import annotations

from resdsl.importer.derived import reshaped
from resdsl.importer.draft import Value, View
from resdsl.importer.layout import layout_of
from resdsl.importer.layout import reshaped as reshaped_layout
from resdsl.importer.numbers import short
from resdsl.importer.pattern import NodePattern, Operand, Weight, match, node
from resdsl.importer.step import Step, channel_count
from resdsl.ops.evo_norm import EvoNorm

TYPES = ("Div",)
NODES = 9
VIEWS = True

_X, _V, _EPS = Operand("x"), Weight("v"), Weight("eps")


def _forms() -> list[NodePattern]:
    gated = node("Mul", _X, node("Sigmoid", node("Mul", _X, _V)))
    groups = node("Reshape", _X, name="groups")
    centred = node("Sub", groups, node("ReduceMean", groups, name="mean"))
    forms = []
    for square in (node("Mul", centred, centred), node("Pow", centred, 2.0)):
        variance = node("ReduceMean", square, name="variance")
        for spread in (variance, node("Expand", node("Reshape", variance))):
            root = node("Sqrt", node("Add", spread, _EPS))
            for x in (gated, _X):
                forms += [
                    node("Div", x, node("Reshape", node("Expand", root))),
                    node("Div", node("Reshape", x, name="grouped"), root),
                ]
    return forms


_PATTERNS = _forms()


def read(step: Step) -> Value | View | None:
    found = match(step, *_PATTERNS)
    if found is None:
        return None
    base, v, eps = found.value("x"), found.constant("v"), found.number("eps")
    apart = step.draft.items[found.named["groups"].outputs[0]]
    if base is None or eps is None or base.type.rank != 4 or not isinstance(apart, View):
        return None
    sizes, shape = apart.shape, base.type.shape
    groups = sizes[1]
    # The elements in their order, the first axes being the batch and the groups.
    is_grouped = len(sizes) > 2 and sizes[0] == shape[0] and reshaped_layout(apart.layout, shape) == layout_of(shape)
    if not isinstance(groups, int) or not is_grouped:
        return None
    within = set(range(2, len(sizes)))
    for name in ("mean", "variance"):
        axes = found.axes(name)
        if axes is None or {axis % len(sizes) for axis in axes} != within:
            return None
    tensors = {}
    if v is not None:
        count = channel_count(v, base, None)
        if count is None:
            return None
        tensors["v"] = reshaped(v, (count,))
    norm = EvoNorm(groups, short(eps), False, v is not None)
    value = step.made(norm, base, tensors=tensors, also=found.records[1:])
    if value is None or "grouped" not in found.named:
        return value
    view = step.draft.items[found.named["grouped"].outputs[0]]
    return view.of(value) if isinstance(view, View) else None
