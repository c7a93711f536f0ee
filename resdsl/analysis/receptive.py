"""Which part of the input an element of a value can see.

Along one axis, element ``i`` of a value sees the input's pixels from ``first + i * stride`` to ``last + i * stride``.
The input itself has ``first = last = 0`` and ``stride = 1``. A window of ``k`` points, ``d`` apart, moving by ``s``,
with ``p`` pixels of padding before the input makes of that::

    first'  = first - p * stride
    last'   = last + ((k - 1) * d - p) * stride
    stride' = s * stride

which is the recurrence of Araujo, Norris and Sim 2019 ("Computing Receptive Fields of Convolutional Neural Networks",
eq. 2, 5 and 6) for the two borders. Where paths meet, the part seen is the smallest that holds all of theirs (their
section 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resdsl.ir.graph import Graph, Node
from resdsl.ir.operator import Operator
from resdsl.ir.types import Sides, Size, TensorType
from resdsl.ops.pad import Pad
from resdsl.ops.windows import sides


@dataclass(frozen=True, slots=True)
class Reach:
    """What element ``i`` along one axis sees: pixels ``first + i * stride`` to ``last + i * stride``.

    ``first`` is negative, and ``last`` may lie behind the image, where the padding is seen.
    """

    first: int
    last: int
    stride: int

    @property
    def size(self) -> int:
        """The receptive field, in pixels."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """Down and across."""

    rows: Reach
    columns: Reach


def receptive_fields(graph: Graph) -> tuple[ReceptiveField | None, ...]:
    """The receptive field of each node's value, by index; ``None`` is the whole image.

    The whole image is seen after a global pool or a linear layer over pixels, and so after every block with a gate
    of the squeeze-and-excitation kind. Values whose elements are not spaced evenly over the input's pixels
    (after upsampling, or where paths of different strides meet) are ``None`` too.
    """
    one = Reach(0, 0, 1)
    found: list[ReceptiveField | None] = [ReceptiveField(one, one)]
    for node in graph.nodes[1:]:
        inputs = [found[index] for index in node.inputs]
        found.append(_step(node, graph.input_types(node), inputs))
    return tuple(found)


def _step(node: Node, types: Sequence[TensorType], inputs: Sequence[ReceptiveField | None]) -> ReceptiveField | None:
    fields = [field for field in inputs if field is not None]
    if len(fields) < len(inputs) or not fields:
        return None
    if len(fields) > 1:
        return _union(fields)
    (field,) = fields
    kernel, stride, dilation, pad = _window(node.operator, types[0])
    if kernel is None:
        pixels = types[0].shape[2:]
        # Of an image of one pixel, flattening and global pools see that one.
        return field if node.type.shape[2:] == pixels or pixels == (1, 1) else None
    return ReceptiveField(
        _slide(field.rows, kernel.height, stride.height, dilation.height, pad.top),
        _slide(field.columns, kernel.width, stride.width, dilation.width, pad.left),
    )


def _window(operator: Operator, x: TensorType) -> tuple[Size | None, Size, Size, Sides]:
    """Kernel, stride, dilation and padding; no kernel for what has no window, or one over the whole image."""
    one = Size(1, 1)
    if isinstance(operator, Pad):
        return one, one, one, operator.sides
    kernel = getattr(operator, "kernel", None)
    if not isinstance(kernel, Size):
        return None, one, one, Sides(0, 0, 0, 0)
    stride: Size = getattr(operator, "stride", one)
    dilation: Size = getattr(operator, "dilation", one)
    pad = getattr(operator, "pad", Sides(0, 0, 0, 0))
    return kernel, stride, dilation, sides(pad, x, kernel, stride, dilation)


def _slide(reach: Reach, points: int, step: int, spacing: int, pad: int) -> Reach:
    first = reach.first - pad * reach.stride
    last = reach.last + ((points - 1) * spacing - pad) * reach.stride
    return Reach(first, last, step * reach.stride)


def _union(fields: Sequence[ReceptiveField]) -> ReceptiveField | None:
    if len({(field.rows.stride, field.columns.stride) for field in fields}) > 1:
        return None
    return ReceptiveField(_hull([field.rows for field in fields]), _hull([field.columns for field in fields]))


def _hull(reaches: Sequence[Reach]) -> Reach:
    first = min(reach.first for reach in reaches)
    last = max(reach.last for reach in reaches)
    return Reach(first, last, reaches[0].stride)
