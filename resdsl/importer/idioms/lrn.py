"""``LRN``: local response normalisation."""

from __future__ import annotations

from resdsl.importer.draft import Value
from resdsl.importer.numbers import short
from resdsl.importer.step import Step
from resdsl.ops.lrn import LocalResponseNorm

TYPES = ("LRN",)


def read(step: Step) -> Value | None:
    x, size = step.value(0), step.node.integer("size")
    if x is None or size < 1:
        return None
    alpha, beta, bias = (
        short(step.node.number(name, default)) for name, default in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))
    )
    return step.made(LocalResponseNorm(size, alpha, beta, bias), x)
