"""``SpaceToDepth``."""

from __future__ import annotations

from resdsl.importer.draft import Value
from resdsl.importer.step import Step
from resdsl.ops.space_to_depth import SpaceToDepth

TYPES = ("SpaceToDepth",)


def read(step: Step) -> Value | None:
    x, block = step.value(0), step.node.integer("blocksize")
    return step.made(SpaceToDepth(block), x) if x is not None and block > 0 else None
