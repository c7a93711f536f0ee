"""``BatchNormalization`` with stored statistics."""

from __future__ import annotations

from resdsl.importer.derived import stored
from resdsl.importer.draft import Value
from resdsl.importer.numbers import short
from resdsl.importer.step import Step
from resdsl.ops.bn import BatchNorm

TYPES = ("BatchNormalization",)

_NAMES = ("weight", "bias", "running_mean", "running_var")


def read(step: Step) -> Value | None:
    x = step.value(0)
    constants = [step.constant(index) for index in range(1, 5)]
    if x is None or step.is_training or len([name for name in step.node.outputs if name]) > 1:
        return None
    # Up to operator set 8, it may have statistics for each pixel too.
    if not step.node.integer("spatial", 1):
        return None
    tensors = {name: stored(one) for name, one in zip(_NAMES, constants, strict=True) if one is not None}
    eps = short(step.node.number("epsilon", 1e-5))
    weight = constants[0]
    if weight is not None and step.is_compiled(weight):
        # ONNX has no batch norm without them. Ones and zeros of other tools may be weights before training.
        return step.made(BatchNorm(eps, affine=False), x, tensors={name: tensors[name] for name in _NAMES[2:]})
    return step.made(BatchNorm(eps), x, tensors=tensors)
