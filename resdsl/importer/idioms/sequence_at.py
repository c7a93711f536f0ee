"""``SequenceAt`` of a ``SplitToSequence`` along the channels: a range of them, as PyTorch splits before optimising."""

from __future__ import annotations

from itertools import accumulate

from resdsl.importer.draft import Value
from resdsl.importer.step import Step
from resdsl.ops.opaque import Opaque
from resdsl.ops.slice import Slice

TYPES = ("SequenceAt",)
NODES = 2


def read(step: Step) -> Value | None:
    sequence, index = step.value(0), step.scalar(1)
    if sequence is None or index is None or not isinstance(sequence.operator, Opaque):
        return None
    if sequence.operator.type != "SplitToSequence" or not sequence.inputs:
        return None
    split = step.of(sequence.records[0])
    value = sequence.inputs[0]
    channels = value.type.shape[1] if value.type.rank > 1 else None
    if not isinstance(channels, int) or split.node.integer("axis") % value.type.rank != 1:
        return None
    sizes = _sizes(split, channels)
    if sizes is None or not -len(sizes) <= index < len(sizes):
        return None
    stop = list(accumulate(sizes))[int(index)]
    return step.made(Slice(stop - sizes[int(index)], stop), value)


def _sizes(split: Step, channels: int) -> list[int] | None:
    """The channels of each part: one number for parts of that size, of which the last may be smaller."""
    each = split.integers(1)
    if each is None or any(size < 1 for size in each):
        return None
    if split.rank(1) == 0:
        whole, rest = divmod(channels, each[0])
        return [*[each[0]] * whole, *([rest] if rest else [])]
    return list(each) if sum(each) == channels else None
