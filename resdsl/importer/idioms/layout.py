"""``Reshape``, ``Transpose``, ``Flatten``, ``Squeeze``, ``Unsqueeze``: a view, or an operator.

A chain of them is a ``flatten``, a ``channel_shuffle``, a ``space_to_depth``, or nothing at all, however it is spelled.
Any other is a view, which costs nothing where what reads it understands the layout.
"""

from __future__ import annotations

from collections.abc import Sequence

from resdsl.importer.draft import Value, View
from resdsl.importer.idioms.unflatten import unflattened
from resdsl.importer.layout import Axis, Layout, layout_of, permuted, reshaped, shape_of
from resdsl.importer.records import NodeRecord
from resdsl.importer.shapes import reshaped_shape
from resdsl.importer.step import Step
from resdsl.ir.dims import Dim, exact_quotient
from resdsl.ir.operator import Operator
from resdsl.ir.types import Word
from resdsl.ops.channel_shuffle import ChannelShuffle
from resdsl.ops.flatten import Flatten
from resdsl.ops.space_to_depth import SpaceToDepth

TYPES = ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze")
VIEWS = True

_MOST_AXES = 16


def read(step: Step) -> Value | View | None:
    item = step.value(0) or step.view(0)
    if item is None:
        return None
    records = item.records if isinstance(item, View) else ()
    base, layout = (item, layout_of(item.type.shape)) if isinstance(item, Value) else (item.base, item.layout)
    if isinstance(item, Value) and isinstance(item.operator, Flatten) and step.can_take(item):
        # What is flattened can become an image again.
        (base,) = item.inputs
        batch, *others = layout_of(base.type.shape)
        layout = (batch, _row(tuple(others)))
    after = _after(step, layout)
    return None if after is None else in_layout(step, base, after, records)


def in_layout(step: Step, base: Value, layout: Layout, before: Sequence[NodeRecord] = ()) -> Value | View:
    """The value in this layout, which the node of ``step`` gives it after the nodes ``before``."""
    if layout == layout_of(base.type.shape):
        return base
    operator = _operator(base, layout)
    if operator is not None:
        value = step.made(operator, base, also=before)
        if value is not None and value.type.shape == shape_of(layout):
            return value
    return unflattened(step, base, layout) or View(base, layout, (step.node, *before))


def _after(step: Step, layout: Layout) -> Layout | None:
    rank, shape = len(layout), shape_of(layout)
    if step.type == "Transpose":
        perm = step.node.integers("perm") or tuple(reversed(range(rank)))
        return permuted(layout, perm) if sorted(perm) == list(range(rank)) else None
    sizes: tuple[Dim, ...] | None
    if step.type == "Reshape":
        given = step.sizes(1) if step.given(1) else step.node.integers("shape")
        sizes = None
        if given is not None and len(given) <= _MOST_AXES:
            sizes = reshaped_shape(shape, given, allow_zero=bool(step.node.integer("allowzero")))
        return None if sizes is None else reshaped(layout, sizes)
    if step.type == "Flatten":
        axis = step.node.integer("axis", 1) % (rank + 1)
        return (_row(layout[:axis]), _row(layout[axis:]))
    axes = step.axes()
    if step.type == "Unsqueeze":
        if axes is None or len({axis % (rank + len(axes)) for axis in axes}) < len(axes):
            return None
        result = list(layout)
        for axis in sorted(axis % (rank + len(axes)) for axis in axes):
            result.insert(axis, ())
        return tuple(result) if len(result) <= _MOST_AXES else None
    places = {axis % rank for axis in axes} if axes is not None else {at for at, size in enumerate(shape) if size == 1}
    if any(shape[place] != 1 for place in places):
        return None
    return tuple(axis for place, axis in enumerate(layout) if place not in places)


def _row(layout: Layout) -> Axis:
    return tuple(factor for axis in layout for factor in axis)


def _operator(base: Value, layout: Layout) -> Operator | None:
    """The operator of the language that puts the elements of ``base`` in this layout."""
    shape, rank = base.type.shape, base.type.rank
    whole = layout_of(shape)
    if rank < 2:
        return None
    if rank > 2 and len(layout) == 2 and layout == (whole[0], _row(whole[1:])):
        return Flatten()
    if len(layout) != rank or layout[0] != whole[0]:
        return None
    channels = layout[1]
    if len(channels) == 2 and layout[2:] == whole[2:] and all(factor.axis == 1 for factor in channels):
        inner, outer = channels
        groups = outer.size
        return ChannelShuffle(groups) if isinstance(groups, int) and inner.stride == 1 else None
    return _space_to_depth(base, layout) if rank == 4 else None


def _space_to_depth(base: Value, layout: Layout) -> SpaceToDepth | None:
    """Blocks of pixels as channels: the pixels of a block before or behind the channels."""
    _, _, height, _ = base.type.shape
    block = exact_quotient(height, shape_of(layout)[2])
    if not isinstance(block, int) or block < 2:
        return None
    batch, channels, rows, columns = layout_of(base.type.shape)
    split = reshaped((batch, channels, rows, columns), _split(base.type.shape, block) or ())
    if split is None:
        return None
    for order, perm in (("pixels", (0, 3, 5, 1, 2, 4)), ("channels", (0, 1, 3, 5, 2, 4))):
        n, a, b, c, h, w = permuted(split, perm)
        if layout == (n, (*a, *b, *c), h, w):
            return SpaceToDepth(block, Word(order))
    return None


def _split(shape: tuple[Dim, ...], block: int) -> tuple[Dim, ...] | None:
    rows, columns = exact_quotient(shape[2], block), exact_quotient(shape[3], block)
    return None if rows is None or columns is None else (shape[0], shape[1], rows, block, columns, block)
