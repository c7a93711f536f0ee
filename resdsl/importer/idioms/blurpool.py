"""A blur pool: a ``Conv`` on each channel with a binomial filter that is the same for all, and a mirroring ``Pad``."""

from __future__ import annotations

import math

from resdsl.importer.draft import Constant, Value
from resdsl.importer.idioms.pad import padding_of, zero_border
from resdsl.importer.idioms.windows import Geometry, geometry, padded
from resdsl.importer.numbers import near
from resdsl.importer.step import Step
from resdsl.ir.graph import Derived, Stored
from resdsl.ir.types import Sides, Size, Word
from resdsl.ops.blurpool import BlurPool
from resdsl.ops.opaque import Opaque

TYPES = ("Conv",)
NODES = 2

_MOST_CHANNELS = 1 << 13


def read(step: Step) -> Value | None:
    x, weight = step.value(0), step.constant(1)
    if x is None or weight is None or weight.rank != 4 or step.given(2) or x.type.rank != 4:
        return None
    channels, one, kernel, _ = weight.shape
    if (
        x.type.shape[1] != channels
        or one != 1
        or step.node.integer("group", 1) != channels
        or weight.shape[3] != kernel
        or not 2 <= kernel <= 7
        or not _is_binomial(step, weight, kernel)
    ):
        return None
    window = geometry(step.node, x.type, Size(kernel, kernel))
    if window is None or window.dilation != Size(1, 1):
        return None
    mirrored = _mirrored(step, x)
    if mirrored is not None and window.pad in (Word("valid"), Sides(0, 0, 0, 0)):
        (source,) = x.inputs
        return _made(step, source, padded(window, mirrored, x.type, source.type), "reflect", x)
    border = zero_border(step, x)
    if any(border):
        (source,) = x.inputs
        return _made(step, source, padded(window, border, x.type, source.type), "zero", x)
    edge = "reflect" if window.pad == "valid" else "zero"
    return _made(step, x, window, edge, None)


def _made(step: Step, x: Value, window: Geometry, edge: str, pad: Value | None) -> Value | None:
    operator = BlurPool(window.kernel.height, window.stride, window.pad, Word(edge))
    return step.made(operator, x, also=() if pad is None else pad.records)


def _mirrored(step: Step, x: Value) -> Sides | None:
    if not isinstance(x.operator, Opaque) or x.operator.type != "Pad" or len(x.records) != 1:
        return None
    padding = padding_of(step.of(x.records[0]), "reflect")
    if padding is None or padding.before or padding.after or min(padding.sides) < 0:
        return None
    return padding.sides


def _is_binomial(step: Step, weight: Constant, kernel: int) -> bool:
    """Whether the filters of all channels are the binomial one."""
    numbers = _numbers(step, weight)
    line = [math.comb(kernel - 1, place) / 2 ** (kernel - 1) for place in range(kernel)]
    square = [row * column for row in line for column in line]
    # The filter of one channel may stand for those of all.
    count = len(square)
    return (
        numbers is not None
        and len(numbers) % count == 0
        and all(
            isinstance(number, int | float) and near(number, square[place % count])
            for place, number in enumerate(numbers)
        )
    )


def _numbers(step: Step, weight: Constant) -> tuple[object, ...] | None:
    """The numbers of a constant, also of one too large for ``items`` to have them; those of one filter if repeated."""
    if weight.items is not None:
        return weight.items
    source, count = weight.source, weight.count
    while isinstance(source, Derived) and getattr(source.function, "type", "") == "Expand":
        one = source.operands[0]
        source, count = one.source, one.count
    if not isinstance(source, Stored) or source.checkpoint is not step.draft.file or weight.shape[0] > _MOST_CHANNELS:
        return None
    record = step.draft.file.record(source.key)
    return step.draft.file.items(record) if record.count == count else None
