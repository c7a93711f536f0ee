"""``Transpose``: a view, which costs nothing where what reads it understands the layout."""

from __future__ import annotations

from resdsl.importer.draft import Value, View
from resdsl.importer.step import Step

TYPES = ("Transpose",)
VIEWS = True


def read(step: Step) -> Value | View | None:
    x, view = step.value(0), step.view(0)
    base = x if view is None else view.base
    if base is None:
        return None
    before = tuple(range(base.type.rank)) if view is None else view.perm
    perm = step.node.integers("perm") or tuple(reversed(range(base.type.rank)))
    if sorted(perm) != list(range(len(before))):
        return None
    after = tuple(before[axis] for axis in perm)
    return base if after == tuple(range(len(after))) else View(base, after)
