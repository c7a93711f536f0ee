"""``Conv`` and ``ConvTranspose`` over images, with a ``Pad`` before them; ``Conv`` along the channels."""

from __future__ import annotations

from resdsl.importer.derived import origin, stored
from resdsl.importer.draft import Constant, Tensor, Value, View
from resdsl.importer.idioms.pad import zero_border
from resdsl.importer.idioms.windows import geometry, padded
from resdsl.importer.layout import layout_of
from resdsl.importer.step import Step
from resdsl.ir.types import Size
from resdsl.ops.channel_conv import ChannelConv
from resdsl.ops.conv import Conv
from resdsl.ops.conv_transpose import ConvTranspose

TYPES = ("Conv", "ConvTranspose")
VIEWS = True


def read(step: Step) -> Value | View | None:
    x, weight = step.value(0), step.constant(1)
    bias = step.constant(2)
    if weight is None or (step.given(2) and bias is None):
        return None
    if x is None or weight.rank != 4:
        return _along_channels(step, weight)
    tensors: dict[str, Tensor] = {"weight": stored(weight)}
    if bias is not None and not _is_nothing(step, bias):
        tensors["bias"] = stored(bias)
    return _conv(step, x, weight, tensors) if step.type == "Conv" else _transpose(step, x, weight, tensors)


def _is_nothing(step: Step, bias: Constant) -> bool:
    """Whether a bias is zeros that an exporter has put where the module has none."""
    return bias.items is not None and not any(bias.items) and origin(bias) not in step.draft.file.model.tensors


def _conv(step: Step, x: Value, weight: Constant, tensors: dict[str, Tensor]) -> Value | None:
    window = geometry(step.node, x.type, Size(*weight.shape[2:]))
    if window is None:
        return None
    border = zero_border(step, x)
    source = x.inputs[0] if any(border) else x
    if any(border):
        window = padded(window, border, x.type, source.type)
    conv = Conv(
        weight.shape[0],
        window.kernel,
        window.stride,
        window.pad,
        window.dilation,
        step.node.integer("group", 1),
        "bias" in tensors,
    )
    return step.made(conv, source, tensors=tensors, also=x.records if any(border) else ())


def _transpose(step: Step, x: Value, weight: Constant, tensors: dict[str, Tensor]) -> Value | None:
    window = geometry(step.node, x.type, Size(*weight.shape[2:]))
    output_pad = step.node.integers("output_padding") or (0, 0)
    if window is None or step.node.integers("output_shape") or len(output_pad) != 2:
        return None
    if step.node.word("auto_pad", "NOTSET") not in ("NOTSET", "VALID", ""):
        # It is chosen by the size of the result.
        return None
    groups = step.node.integer("group", 1)
    transpose = ConvTranspose(
        weight.shape[1] * groups,
        window.kernel,
        window.stride,
        window.pad,
        Size(*output_pad),
        window.dilation,
        groups,
        "bias" in tensors,
    )
    return step.made(transpose, x, tensors=tensors)


def _along_channels(step: Step, weight: Constant) -> View | None:
    """Of ``[N, 1, C]``, with zeros for the channels that do not exist (efficient channel attention)."""
    view = step.view(0)
    if view is None or weight.rank != 3 or weight.shape[:2] != (1, 1) or step.given(2) or step.type != "Conv":
        return None
    kernel = weight.shape[2]
    batch, channels, *_ = layout_of(view.base.type.shape)
    node = step.node
    if (
        view.layout != (batch, (), channels)
        or (node.integers("pads") or (0, 0)) != (kernel // 2, kernel // 2)
        or (node.integers("strides") or (1,)) != (1,)
        or (node.integers("dilations") or (1,)) != (1,)
        or node.word("auto_pad", "NOTSET") != "NOTSET"
    ):
        return None
    value = step.made(ChannelConv(kernel), view.base, tensors={"weight": stored(weight)}, also=view.records)
    return None if value is None else view.of(value)
