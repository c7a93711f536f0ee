"""The learned threshold at the end of a ``filter_response_norm``: ``Max(norm, tau)`` with a number for each channel."""

from __future__ import annotations

from dataclasses import replace

from resdsl.importer.derived import reshaped
from resdsl.importer.draft import Value, View
from resdsl.importer.step import Step, channel_count
from resdsl.ops.filter_response_norm import FilterResponseNorm

TYPES = ("Max",)
VIEWS = True


def read(step: Step) -> Value | View | None:
    for first, second in ((0, 1), (1, 0)):
        place, tau = step.place(first), step.constant(second)
        if place is None or tau is None or len(step.inputs) != 2:
            continue
        base, perm = place
        count = channel_count(tau, base, perm)
        norm = base.operator
        if count is None or not isinstance(norm, FilterResponseNorm) or norm.threshold:
            return None
        tensors = {**base.tensors, "tau": reshaped(tau, (count,))}
        return step.made_in((base.inputs[0], perm), replace(norm, threshold=True), tensors=tensors, taking=(base,))
    return None
