"""A ``Gather`` that only reshapes: PyTorch's ``as_strided``, which its exporter leaves behind a global pool.

``Gather(Reshape(x, [-1]), n * C + [0 .. C - 1])`` with ``n`` from 0 to the batch size: rows of ``C`` elements, all of
them, in their order.
"""

from __future__ import annotations

from resdsl.importer.draft import Constant, Value, View
from resdsl.importer.idioms.layout import in_layout
from resdsl.importer.layout import layout_of, reshaped
from resdsl.importer.pattern import Match, Operand, Weight, match, node
from resdsl.importer.shapes import product
from resdsl.importer.step import Step

TYPES = ("Gather",)
NODES = 5
VIEWS = True

_ROWS = node("Unsqueeze", node("Mul", node("Range", 0.0, Weight("rows"), 1.0), Weight("length")), name="rows")
_PATTERN = node("Gather", node("Reshape", Operand("x"), name="flat"), node("Add", _ROWS, Weight("places")))


def read(step: Step) -> Value | View | None:
    found = match(step, _PATTERN)
    x = None if found is None else found.value("x")
    if found is None or x is None or step.node.integer("axis"):
        return None
    sizes, length, places = found.sizes("flat"), found.number("length"), found.constant("places")
    rows = found.constant("rows")
    if sizes != (-1,) or length is None or places is None or rows is None or not rows.items:
        return None
    if not _is_row(found, places, int(length)) or product((rows.items[0], int(length))) != product(x.type.shape):  # type: ignore[arg-type]
        return None
    layout = reshaped(layout_of(x.type.shape), (rows.items[0], *places.shape[1:]))  # type: ignore[arg-type]
    return None if layout is None else in_layout(step, x, layout, found.records[1:])


def _is_row(found: Match, places: Constant, length: int) -> bool:
    """Whether the places within a row are all of them, in order, and the rows an axis before them."""
    return (
        places.count == length
        and places.shape[0] == 1
        and places.items == tuple(range(length))
        and found.axes("rows") == tuple(range(1, places.rank))
    )
