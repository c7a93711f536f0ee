"""``Gemm``, and ``MatMul`` with or without an ``Add``: a linear layer.

Where the channels come last, ``MatMul`` of an image is a 1x1 convolution. Features that were flattened in that order
are put in the language's by the order of the weight's columns.
"""

from __future__ import annotations

from math import prod

from resdsl.importer.derived import Reshaped, Scaled, Transposed, derived, reshaped, stored, transposed
from resdsl.importer.draft import Constant, Tensor, Value, View
from resdsl.importer.layout import layout_of
from resdsl.importer.step import Step, channel_count
from resdsl.ir.types import Size
from resdsl.ops.conv import Conv
from resdsl.ops.flatten import Flatten
from resdsl.ops.linear import Linear

TYPES = ("Gemm", "MatMul", "Add")
VIEWS = True


def read(step: Step) -> Value | View | None:
    if step.type == "Gemm":
        return _gemm(step)
    if step.type == "MatMul":
        return _matmul(step)
    return _bias(step)


def _gemm(step: Step) -> Value | None:
    weight, bias = step.constant(1), step.constant(2)
    if weight is None or weight.rank != 2 or step.node.integer("transA") or (step.given(2) and not bias):
        return None
    matrix = stored(weight) if step.node.integer("transB") else transposed(weight, (1, 0))
    alpha, beta = step.node.number("alpha", 1.0), step.node.number("beta", 1.0)
    if alpha != 1:
        matrix = derived(Scaled(alpha), matrix.shape, matrix)
    tensors = {"weight": matrix}
    if bias is not None:
        vector = reshaped(bias, (matrix.shape[0],))
        tensors["bias"] = vector if beta == 1 else derived(Scaled(beta), vector.shape, vector)
    return _linear(step, tensors)


def _linear(step: Step, tensors: dict[str, Tensor]) -> Value | None:
    """Of the features of ``[N, C]``; of those that were flattened with the channels last, in the language's order."""
    x, view = step.value(0), step.view(0)
    matrix = tensors["weight"]
    operator = Linear(matrix.shape[0], "bias" in tensors)
    if x is not None or view is None:
        return None if x is None else step.made(operator, x, tensors=tensors)
    batch, *axes = layout_of(view.base.type.shape)
    shown = [axes.index((factor,)) for factor in view.layout[-1] if (factor,) in axes]
    sizes = [factor.size for factor in view.layout[-1]]
    if len(view.layout) != 2 or view.layout[0] != batch or len(shown) != len(sizes):
        return None
    if sorted(shown) != [place for place, axis in enumerate(axes) if axis]:
        return None
    shape = (matrix.shape[0], *(size for size in sizes if isinstance(size, int)))
    if len(shape) <= len(sizes) or prod(shape) != prod(matrix.shape):
        return None
    # The columns as axes, those axes in the order of the image, and as columns again.
    order = (0, *(1 + shown.index(place) for place in sorted(shown)))
    split = derived(Reshaped(shape), shape, matrix)
    turned = derived(Transposed(order), tuple(shape[axis] for axis in order), split)
    flat = step.inner(Flatten(), view.base, name=f"{step.node.outputs[0]}:flatten")
    if flat is None:
        return None
    return step.made(
        operator, flat, tensors={**tensors, "weight": derived(Reshaped(matrix.shape), matrix.shape, turned)}
    )


def _matmul(step: Step) -> Value | View | None:
    weight = step.constant(1)
    if weight is None or weight.rank != 2:
        return None
    matrix = transposed(weight, (1, 0))
    view = step.view(0)
    if view is None or view.perm != (0, 2, 3, 1):
        return _linear(step, {"weight": matrix})
    tensors = {"weight": derived(Reshaped((*matrix.shape, 1, 1)), (*matrix.shape, 1, 1), matrix)}
    value = step.made(Conv(matrix.shape[0], Size(1, 1)), view.base, tensors=tensors)
    return None if value is None else view.of(value)


def _bias(step: Step) -> Value | View | None:
    """A bias for each feature, added to the result of a layer that has none."""
    for place, other in ((0, 1), (1, 0)):
        bias = step.constant(other)
        view = step.view(place)
        layer = step.value(place) if view is None else view.base
        if bias is None or layer is None or not isinstance(layer.operator, Linear | Conv) or layer.operator.bias:
            continue
        vector = _vector(bias, view, layer)
        if vector is None:
            return None
        operator = Linear(layer.operator.features) if isinstance(layer.operator, Linear) else _with_bias(layer.operator)
        value = step.made(operator, *layer.inputs, tensors={**layer.tensors, "bias": vector}, taking=(layer,))
        return value if value is None or view is None else view.of(value)
    return None


def _vector(bias: Constant, view: View | None, layer: Value) -> Tensor | None:
    channels = channel_count(bias, layer, None if view is None else view.perm)
    return None if channels is None else reshaped(bias, (channels,))


def _with_bias(conv: Conv) -> Conv:
    return Conv(conv.channels, conv.kernel, conv.stride, conv.pad, conv.dilation, conv.groups, True)
