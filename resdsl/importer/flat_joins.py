"""Sums of sums and products of products: ``Add(Add(a, b), c)`` as the one ``add`` of three branches that it is.

ONNX joins two values at a time. In a file of this package, the nodes of one ``add`` or ``mul`` have its path. In others
a sum is part of another where nothing else reads it or any of the branches, which all start at one value: those of a
convolution in several forms (RepVGG, MobileOne). A value that is read beside its sum is a shortcut, and stays one.
"""

from __future__ import annotations

from resdsl.importer.draft import Draft, Value
from resdsl.importer.records import path_of
from resdsl.ops.add import Add
from resdsl.ops.mul import Mul

MOST_BRANCHES = 256
"""Branches of a join that is made of others: in a chain of joins, each one copies those of the one before."""

MOST_STEPS = 64
"""Operators of a branch."""


def flatten_joins(draft: Draft) -> None:
    """Give every sum and product the branches of those that are part of it."""
    for value in draft.values:
        if not isinstance(value.operator, Add | Mul):
            continue
        parts = [one for one in value.inputs if _is_part(draft, one, value)]
        if not parts:
            continue
        branches = [branch for one in value.inputs for branch in (one.inputs if one in parts else (one,))]
        if len(branches) > MOST_BRANCHES or not (_path(value) or _are_alone(draft, branches, value)):
            continue
        value.inputs = tuple(branches)
        value.records = (*value.records, *(record for one in parts for record in one.records))


def _is_part(draft: Draft, one: Value, whole: Value) -> bool:
    if type(one.operator) is not type(whole.operator):
        return False
    return draft.only_read_once(one) and _path(one) == _path(whole) and one.type == whole.type


def _are_alone(draft: Draft, branches: list[Value], whole: Value) -> bool:
    """Whether nothing but their sum reads the branches, which are of one shape and start at one value."""
    if not isinstance(whole.operator, Add):
        return False
    if not all(draft.only_read_once(branch) and branch.type == whole.type for branch in branches):
        return False
    return len({id(_start(draft, branch)) for branch in branches}) == 1


def _start(draft: Draft, value: Value) -> Value:
    """The value before a branch: the first one on the way back that others read as well."""
    for _ in range(MOST_STEPS):
        if len(value.inputs) != 1 or not draft.only_read_once(value):
            break
        (value,) = value.inputs
    return value


def _path(value: Value) -> str:
    return path_of(value.records[0]) if value.records else ""
