"""``InstanceNormalization`` of images: weights that are all 1 with biases that are all 0 are none."""

from __future__ import annotations

from resdsl.importer.derived import stored
from resdsl.importer.draft import Value
from resdsl.importer.numbers import all_near, short
from resdsl.importer.step import Step
from resdsl.ops.instance_norm import InstanceNorm

TYPES = ("InstanceNormalization",)


def read(step: Step) -> Value | None:
    x, weight, bias = step.value(0), step.constant(1), step.constant(2)
    if x is None or weight is None or bias is None:
        return None
    plain = all_near(weight.items, 1.0) and all_near(bias.items, 0.0) and not step.is_learned(weight)
    tensors = {} if plain else {"weight": stored(weight), "bias": stored(bias)}
    return step.made(InstanceNorm(short(step.node.number("epsilon", 1e-5)), not plain), x, tensors=tensors)
