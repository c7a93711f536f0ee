"""The base class of joins: operators that the language writes as ``add { .. }``, one branch per statement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import Dim
from resdsl.ir.operator import Operator, Refusal
from resdsl.ir.types import TensorType
from resdsl.ops.identity import Identity


@dataclass(frozen=True, slots=True)
class Join(Operator):
    """An operator on any number of values, from one. In the language it is a keyword with a body instead of a call."""

    join: ClassVar[str] = ""
    """The keyword; empty for a base class."""

    def canonical(self, *inputs: TensorType) -> Operator:
        return Identity() if len(inputs) == 1 else self


def require_fit(
    join: type[Join], inputs: Sequence[TensorType], *, free: int | None = None, broadcast: bool = False
) -> None:
    """Refuse branches that differ in rank, or in any axis but ``free``.

    With ``broadcast``, a size of 1 fits every other, in all axes but the first. Where most branches agree, the
    one that differs is reported, otherwise the later one.
    """
    first = inputs[0].shape
    if all(x.shape is first or x.shape == first for x in inputs):
        return
    at_fault, other = _odd([x.rank for x in inputs])
    if at_fault != other:
        raise _refusal(join, inputs, at_fault, other, None)
    for axis in range(inputs[0].rank):
        if axis == free:
            continue
        places = [place for place, x in enumerate(inputs) if not (broadcast and axis and x.shape[axis] == 1)]
        if places:
            at_fault, other = (places[place] for place in _odd([inputs[place].shape[axis] for place in places]))
            if at_fault != other:
                raise _refusal(join, inputs, at_fault, other, axis)


def broadcast(inputs: Sequence[TensorType]) -> TensorType:
    """The type that branches have together, where a size of 1 in one is repeated to that of the others."""
    sizes = (next((size for size in axis if size != 1), 1) for axis in zip(*(x.shape for x in inputs), strict=True))
    return inputs[0].with_shape(*sizes)


def _odd(values: Sequence[Dim]) -> tuple[int, int]:
    """The place of a value that is not the usual one, and a place of the usual one; twice the same if all agree."""
    if all(value == values[0] for value in values):
        return 0, 0
    usual, _ = Counter(values).most_common(1)[0]
    place = values.index(usual)
    return next(((index, place) for index, value in enumerate(values) if value != usual), (place, place))


def _refusal(join: type[Join], inputs: Sequence[TensorType], at_fault: int, other: int, axis: int | None) -> Refusal:
    def of(place: int) -> str:
        return f"branch {place + 1}"

    if axis is None:
        fact = f"{of(at_fault)} has {inputs[at_fault].rank} dimensions and {of(other)} has {inputs[other].rank}"
    else:
        sizes = inputs[at_fault].shape[axis], inputs[other].shape[axis]
        what = _axis_name(axis, inputs[other].rank)
        fact = f"{of(at_fault)} has {what} {sizes[0]} and {of(other)} has {what} {sizes[1]}"
    return Refusal(
        catalogue.JOIN_SHAPES,
        f"the branches of this `{join.join}` do not fit: {fact}",
        branch=at_fault,
        helps=_suggestions(axis, inputs[other]),
    )


def _axis_name(axis: int, rank: int) -> str:
    if axis == 1:
        return "channels" if rank == 4 else "features"
    return {0: "batch size", 2: "height", 3: "width"}.get(axis, f"size along axis {axis}")


def _suggestions(axis: int | None, usual: TensorType) -> tuple[str, ...]:
    if axis == 1 and usual.rank == 4:
        return (f"end each branch with {usual.channels} channels: `conv({usual.channels}, 1x1)` changes their number",)
    if axis in (2, 3):
        return ("give every branch the same strides, and paddings that keep the size",)
    return ()
