"""``Conv`` and ``ConvTranspose`` over images."""

from __future__ import annotations

from resdsl.importer.derived import stored
from resdsl.importer.draft import Tensor, Value
from resdsl.importer.idioms.windows import geometry
from resdsl.importer.step import Step
from resdsl.ir.types import Size
from resdsl.ops.conv import Conv
from resdsl.ops.conv_transpose import ConvTranspose

TYPES = ("Conv", "ConvTranspose")


def read(step: Step) -> Value | None:
    x, weight = step.value(0), step.constant(1)
    bias = step.constant(2)
    if x is None or weight is None or weight.rank != 4 or (step.given(2) and bias is None):
        return None
    window = geometry(step.node, x.type, Size(*weight.shape[2:]))
    if window is None:
        return None
    tensors: dict[str, Tensor] = {"weight": stored(weight)}
    if bias is not None:
        tensors["bias"] = stored(bias)
    groups = step.node.integer("group", 1)
    if step.type == "Conv":
        conv = Conv(
            weight.shape[0], window.kernel, window.stride, window.pad, window.dilation, groups, bias is not None
        )
        return step.made(conv, x, tensors=tensors)
    output_pad = step.node.integers("output_padding") or (0, 0)
    if step.node.integers("output_shape") or len(output_pad) != 2:
        return None
    transpose = ConvTranspose(
        weight.shape[1] * groups,
        window.kernel,
        window.stride,
        window.pad,
        Size(*output_pad),
        window.dilation,
        groups,
        bias is not None,
    )
    return step.made(transpose, x, tensors=tensors)
