"""``Gemm``, and ``MatMul`` with or without an ``Add``: a linear layer, or a 1x1 convolution where channels come last."""

from __future__ import annotations

from resdsl.importer.derived import Reshaped, Scaled, derived, reshaped, stored, transposed
from resdsl.importer.draft import Constant, Tensor, Value, View
from resdsl.importer.step import Step, channel_count
from resdsl.ir.types import Size
from resdsl.ops.conv import Conv
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
    x, weight = step.value(0), step.constant(1)
    bias = step.constant(2)
    if x is None or weight is None or weight.rank != 2 or step.node.integer("transA") or (step.given(2) and not bias):
        return None
    matrix = stored(weight) if step.node.integer("transB") else transposed(weight, (1, 0))
    alpha, beta = step.node.number("alpha", 1.0), step.node.number("beta", 1.0)
    if alpha != 1:
        matrix = derived(Scaled(alpha), matrix.shape, matrix)
    tensors = {"weight": matrix}
    if bias is not None:
        vector = reshaped(bias, (matrix.shape[0],))
        tensors["bias"] = vector if beta == 1 else derived(Scaled(beta), vector.shape, vector)
    return step.made(Linear(matrix.shape[0], bias is not None), x, tensors=tensors)


def _matmul(step: Step) -> Value | View | None:
    weight = step.constant(1)
    if weight is None or weight.rank != 2:
        return None
    matrix = transposed(weight, (1, 0))
    x, view = step.value(0), step.view(0)
    if x is not None:
        return step.made(Linear(matrix.shape[0], False), x, tensors={"weight": matrix})
    if view is None or view.perm != (0, 2, 3, 1):
        return None
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
