"""Receptive fields: which part of the input an element of a value depends on.

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

from resdsl.ir.graph import Graph
from resdsl.ir.operator import ONE_PIXEL, Steps, Window


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
    windows = {
        applied: applied.operator.window(applied.inputs[0], applied.result)
        for applied in set(graph.applications[1:])
        # A further input of an ONNX file depends on no pixels of the first.
        if applied.inputs
    }
    for node, applied in zip(graph.nodes[1:], graph.applications[1:], strict=True):
        fields = [field for index in node.inputs if (field := found[index]) is not None]
        if len(fields) < len(node.inputs) or not fields:
            found.append(None)
        elif len(fields) > 1:
            found.append(_union(fields))
        else:
            found.append(_through(windows[applied], fields[0]))
    return tuple(found)


def _through(window: Window | None, field: ReceptiveField) -> ReceptiveField | None:
    if window is None or window is ONE_PIXEL:
        return field if window else None
    rows = _slide(field.rows, window.rows)
    # Most windows and images are square.
    square = window.rows == window.columns and field.rows is field.columns
    return ReceptiveField(rows, rows if square else _slide(field.columns, window.columns))


def _slide(reach: Reach, step: Steps) -> Reach:
    first = reach.first - step.pad * reach.stride
    last = reach.last + ((step.points - 1) * step.dilation - step.pad) * reach.stride
    return Reach(first, last, step.stride * reach.stride)


def _union(fields: Sequence[ReceptiveField]) -> ReceptiveField | None:
    if len({(field.rows.stride, field.columns.stride) for field in fields}) > 1:
        return None
    rows = _hull([field.rows for field in fields])
    square = all(field.rows is field.columns for field in fields)
    return ReceptiveField(rows, rows if square else _hull([field.columns for field in fields]))


def _hull(reaches: Sequence[Reach]) -> Reach:
    first = min([reach.first for reach in reaches])
    last = max([reach.last for reach in reaches])
    return Reach(first, last, reaches[0].stride)
