"""Concatenations that begin with another: ``concat(a, b, c)`` beside ``concat(a, b)`` is ``concat(concat(a, b), c)``.

The layers of a DenseNet take all values before them, each in a concatenation of its own. Nested, each one is the last
with one value more, as the network is drawn and written.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from resdsl.importer.draft import Draft, Value
from resdsl.ops.concat import Concat


@dataclass(slots=True)
class _Row:
    """Values in a row: the concatenation of them, if there is one, and the rows with one value more."""

    value: Value | None = None
    longer: dict[int, _Row] = field(default_factory=dict)


def nest_concats(draft: Draft) -> None:
    """Make every concatenation take the longest one before it that it begins with."""
    first = _Row()
    rows: dict[int, _Row] = {}
    for value in draft.values:
        if not isinstance(value.operator, Concat):
            continue
        # A concatenation that begins with another continues its row.
        row = rows.get(id(value.inputs[0]))
        rest = value.inputs[1:]
        if row is None:
            row, rest = first, value.inputs
        start: tuple[Value, int] | None = None
        for count, one in enumerate(rest):
            row = row.longer.setdefault(id(one), _Row())
            if row.value is not None and count + 1 < len(rest):
                start = row.value, count + 1
        if start is not None:
            whole, count = start
            value.inputs = (whole, *rest[count:])
        if row.value is None:
            row.value = value
        rows[id(value)] = row
