"""``Mul``, ``Add``, ``Sub`` and ``Div`` by a constant for each channel: a layer scale, or a norm with fixed statistics.

A product and the sum after it are one ``affine``, or the weight and the bias of the norm before them. After a batch
norm with weights of its own both become part of those (Caffe's ``BatchNorm`` and ``Scale``).
"""

from __future__ import annotations

from dataclasses import replace

from resdsl.importer.arrays import Computed
from resdsl.importer.derived import derived, reshaped
from resdsl.importer.draft import Constant, Tensor, Value, View
from resdsl.importer.records import Element
from resdsl.importer.step import Step, channel_count
from resdsl.ops.affine import Affine
from resdsl.ops.bn import BatchNorm
from resdsl.ops.evo_norm import EvoNorm
from resdsl.ops.filter_response_norm import FilterResponseNorm
from resdsl.ops.group_norm import GroupNorm
from resdsl.ops.instance_norm import InstanceNorm
from resdsl.ops.layer_norm import LayerNorm
from resdsl.ops.rms_norm import RmsNorm

TYPES = ("Mul", "Add", "Sub", "Div")
NODES = 0
VIEWS = True

Place = tuple[Value, tuple[int, ...] | None]

_NORMS = (BatchNorm, EvoNorm, FilterResponseNorm, GroupNorm, InstanceNorm, LayerNorm)
_FLOATS = (Element.FLOAT, Element.FLOAT16, Element.BFLOAT16)
_PRODUCTS = ("Mul", "Div")
_NEGATED = Computed("Neg", (), (True,))
_INVERTED = Computed("Reciprocal", (), (True,))
_PRODUCT = Computed("Mul", (), (True, True))
_SUM = Computed("Add", (), (True, True))


def read(step: Step) -> Value | View | None:
    for first, second in ((0, 1), (1, 0)):
        place, constant = step.place(first), step.constant(second)
        if place is None or constant is None or (first and step.type in ("Sub", "Div")):
            continue
        base, perm = place
        number = _of_channels(constant, base, perm)
        if number is None:
            return None
        if step.type in ("Sub", "Div"):
            number = derived(_NEGATED if step.type == "Sub" else _INVERTED, number.shape, number)
        tensors = {"weight" if step.type in _PRODUCTS else "bias": number}
        return _in_norm(step, place, tensors) or _after_product(step, place, tensors) or _alone(step, place, tensors)
    return None


def _of_channels(constant: Constant, base: Value, perm: tuple[int, ...] | None) -> Tensor | None:
    """The constant as a vector with a number for each channel, or one number."""
    if constant.element not in _FLOATS or constant.rank > base.type.rank:
        return None
    if any(not isinstance(item, int | float) for item in constant.items or ()):
        # Sizes of values are no weights.
        return None
    count = 1 if constant.count == 1 else channel_count(constant, base, perm)
    return None if count is None else reshaped(constant, (count,))


def _alone(step: Step, place: Place, tensors: dict[str, Tensor]) -> Value | View | None:
    return step.made_in(place, _affine(tensors), tensors=tensors)


def _affine(tensors: dict[str, Tensor]) -> Affine:
    (count,) = next(iter(tensors.values())).shape
    return Affine("weight" in tensors, "bias" in tensors, count > 1)


def _after_product(step: Step, place: Place, tensors: dict[str, Tensor]) -> Value | View | None:
    """The bias of an affine that had none, or of a norm."""
    base, perm = place
    if "bias" not in tensors or base.operator != Affine(True, False, tensors["bias"].shape != (1,)):
        return None
    merged = {**base.tensors, **tensors}
    (norm,) = base.inputs
    if isinstance(norm.operator, _NORMS) and not norm.operator.affine and len(merged["weight"].shape) == 1:
        whole = replace(norm.operator, affine=True)
        value = step.made_in((norm.inputs[0], perm), whole, tensors={**norm.tensors, **merged}, taking=(base, norm))
        if value is not None:
            return value
    return step.made_in((norm, perm), _affine(merged), tensors=merged, taking=(base,))


def _in_norm(step: Step, place: Place, tensors: dict[str, Tensor]) -> Value | View | None:
    """``(weight * norm(x) + bias) * w`` and ``.. + b``, of a batch norm's own tensors; the weight of an RMS norm."""
    base, perm = place
    if isinstance(base.operator, RmsNorm) and not base.operator.affine and tensors.keys() == {"weight"}:
        return step.made_in(
            (base.inputs[0], perm), replace(base.operator, affine=True), tensors=tensors, taking=(base,)
        )
    if not isinstance(base.operator, BatchNorm) or not base.operator.affine:
        return None
    norm = dict(base.tensors)
    for name, number in tensors.items():
        for own in ("weight", "bias") if name == "weight" else ("bias",):
            function = _PRODUCT if name == "weight" else _SUM
            norm[own] = derived(function, norm[own].shape, norm[own], number)
    return step.made_in((base.inputs[0], perm), base.operator, tensors=norm, taking=(base,))
