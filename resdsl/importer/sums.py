"""Sums of sums: ``Add(Add(a, b), c)`` as the one ``add`` of three branches that it is.

ONNX adds two values at a time. In a file of this package, the nodes of one ``add`` have its path. In others, a sum is
part of another where nothing else reads it or any of the branches: those of a convolution in several forms (RepVGG,
MobileOne). A value that is read beside its sum is a shortcut, and stays one.
"""

from __future__ import annotations

from resdsl.importer.draft import Draft, Value
from resdsl.ir import metadata
from resdsl.ops.add import Add

MOST_BRANCHES = 256
"""Branches of a sum that is made of others: in a chain of sums, each one copies those of the one before."""


def flatten_sums(draft: Draft) -> None:
    """Give every sum the branches of the sums that are part of it."""
    for value in draft.values:
        if not isinstance(value.operator, Add):
            continue
        parts = [one for one in value.inputs if _is_part(draft, one, value)]
        if not parts:
            continue
        branches = [branch for one in value.inputs for branch in (one.inputs if one in parts else (one,))]
        if len(branches) > MOST_BRANCHES or (not _path(value) and not all(map(draft.only_read_once, branches))):
            continue
        value.inputs = tuple(branches)
        value.records = (*value.records, *(record for one in parts for record in one.records))


def _is_part(draft: Draft, one: Value, whole: Value) -> bool:
    if not isinstance(one.operator, Add) or not draft.only_read_once(one) or _path(one) != _path(whole):
        return False
    return all(branch.type == whole.type for branch in (*one.inputs, *whole.inputs))


def _path(value: Value) -> str:
    return value.records[0].metadata.get(metadata.PATH.key, "") if value.records else ""
