"""What each operator computes, written from its definition in float64, with a count of the multiplications it takes.

Nothing here uses the program but for the arguments that an operator was given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
Parameters = Mapping[str, Array]


@dataclass(frozen=True)
class Answer:
    """The value, and the multiplications for one image of the batch (0 for what papers do not count)."""

    value: Array
    multiplications: int = 0


Oracle = Callable[[Any, Sequence[Array], Parameters], Answer]

ORACLES: dict[str, Oracle] = {}


def oracle(name: str) -> Callable[[Oracle], Oracle]:
    def register(function: Oracle) -> Oracle:
        ORACLES[name] = function
        return function

    return register


def each_element(name: str) -> Callable[[Callable[[Any, float], float]], Oracle]:
    """An oracle from a function of the operator and one number."""

    def register(function: Callable[[Any, float], float]) -> Oracle:
        def apply(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
            (x,) = inputs
            return Answer(np.array([function(op, float(v)) for v in x.ravel()]).reshape(x.shape))

        ORACLES[name] = apply
        return apply

    return register


# Activations, each number for itself.


@each_element("relu")
def relu(_: Any, v: float) -> float:
    return v if v > 0 else 0.0


@each_element("relu6")
def relu6(_: Any, v: float) -> float:
    return min(max(v, 0.0), 6.0)


@each_element("sigmoid")
def sigmoid(_: Any, v: float) -> float:
    return 1 / (1 + math.exp(-v))


@each_element("silu")
def silu(_: Any, v: float) -> float:
    return v / (1 + math.exp(-v))


@each_element("tanh")
def tanh(_: Any, v: float) -> float:
    return math.tanh(v)


@each_element("identity")
def identity(_: Any, v: float) -> float:
    return v


@each_element("dropout")
def dropout(_: Any, v: float) -> float:
    return v


@each_element("leaky_relu")
def leaky_relu(op: Any, v: float) -> float:
    return v if v >= 0 else op.slope * v


@each_element("elu")
def elu(op: Any, v: float) -> float:
    return v if v >= 0 else op.alpha * math.expm1(v)


@each_element("hard_sigmoid")
def hard_sigmoid(op: Any, v: float) -> float:
    return min(max(v / (2 * op.bound) + 0.5, 0.0), 1.0)


@each_element("hard_swish")
def hard_swish(_: Any, v: float) -> float:
    return v * min(max(v + 3, 0.0), 6.0) / 6


@each_element("scale")
def scale(op: Any, v: float) -> float:
    return op.factor * v


@each_element("gelu")
def gelu(op: Any, v: float) -> float:
    if op.approximate == "tanh":
        return 0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))
    # The normal distribution's integral up to v.
    return v * 0.5 * math.erfc(-v / math.sqrt(2))


# Over channels.


@oracle("softmax")
def softmax(_: Any, inputs: Sequence[Array], __: Parameters) -> Answer:
    (x,) = inputs
    powers = np.exp(x)
    total = sum(powers[:, channel] for channel in range(x.shape[1]))
    return Answer(np.stack([powers[:, channel] / total for channel in range(x.shape[1])], axis=1))


@oracle("bn")
def bn(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    y = np.empty_like(x)
    for channel in range(x.shape[1]):
        mean, variance = parameters["running_mean"][channel], parameters["running_var"][channel]
        y[:, channel] = (x[:, channel] - mean) / math.sqrt(variance + op.eps)
        if op.affine:
            y[:, channel] = y[:, channel] * parameters["weight"][channel] + parameters["bias"][channel]
    return Answer(y)


@oracle("lrn")
def lrn(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    (x,) = inputs
    y = np.empty_like(x)
    for channel in range(x.shape[1]):
        first, last = channel - op.size // 2, channel + op.size // 2
        squares = sum(x[:, j] ** 2 for j in range(max(first, 0), min(last, x.shape[1] - 1) + 1))
        y[:, channel] = x[:, channel] / (op.k + op.alpha / op.size * squares) ** op.beta
    return Answer(y)


@oracle("channel_shuffle")
def channel_shuffle(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    (x,) = inputs
    batch, channels, *image = x.shape
    dealt = x.reshape(batch, op.groups, channels // op.groups, *image)
    return Answer(np.swapaxes(dealt, 1, 2).reshape(x.shape))


@oracle("slice")
def slice_(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    (x,) = inputs
    return Answer(np.stack([x[:, channel] for channel in range(op.start, op.stop)], axis=1))


@oracle("branch_softmax")
def branch_softmax(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    (x,) = inputs
    each = x.shape[1] // op.branches
    y = np.exp(x)
    for channel in range(each):
        y[:, channel::each] /= y[:, channel::each].sum(axis=1, keepdims=True)
    return Answer(y)


@oracle("branch_sum")
def branch_sum(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    (x,) = inputs
    return Answer(sum(np.split(x, op.branches, axis=1)))


# Over pixels.


@oracle("pixel_softmax")
def pixel_softmax(_: Any, inputs: Sequence[Array], __: Parameters) -> Answer:
    (x,) = inputs
    y = np.exp(x)
    for image, channel in np.ndindex(*x.shape[:2]):
        y[image, channel] /= y[image, channel].sum()
    return Answer(y)


@oracle("pixel_sum")
def pixel_sum(_: Any, inputs: Sequence[Array], __: Parameters) -> Answer:
    (x,) = inputs
    return Answer(np.array([[[[channel.sum()]] for channel in image] for image in x]))


# Weighted sums.


@oracle("linear")
def linear(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    y = np.zeros((x.shape[0], op.features))
    multiplications = 0
    for feature in range(op.features):
        for place in range(x.shape[1]):
            y[:, feature] += parameters["weight"][feature, place] * x[:, place]
            multiplications += 1
        if op.bias:
            y[:, feature] += parameters["bias"][feature]
    return Answer(y, multiplications)


@oracle("channel_conv")
def channel_conv(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    (((*weight,),),) = parameters["weight"]
    half = op.kernel // 2
    padded = np.pad(x, ((0, 0), (half, half), *((0, 0),) * (x.ndim - 2)))
    y, multiplications = np.zeros_like(x), 0
    for channel in range(x.shape[1]):
        for place in range(op.kernel):
            y[:, channel] += weight[place] * padded[:, channel + place]
            multiplications += 1
    return Answer(y, multiplications)


@oracle("conv")
def conv(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    rows = Axis.of(op, x, 0)
    columns = Axis.of(op, x, 1)
    padded = np.pad(x, ((0, 0), (0, 0), (rows.before, rows.after), (columns.before, columns.after)))
    y = np.zeros((x.shape[0], op.channels, rows.places, columns.places))
    multiplications = 0
    for o in range(op.channels):
        first = o // (op.channels // op.groups) * (x.shape[1] // op.groups)
        for c in range(x.shape[1] // op.groups):
            for i in range(rows.places):
                for j in range(columns.places):
                    for u in range(rows.kernel):
                        for v in range(columns.kernel):
                            row = i * rows.stride + u * rows.dilation
                            column = j * columns.stride + v * columns.dilation
                            y[:, o, i, j] += parameters["weight"][o, c, u, v] * padded[:, first + c, row, column]
                            multiplications += 1
        if op.bias:
            y[:, o] += parameters["bias"][o]
    return Answer(y, multiplications)


# Windows.


@dataclass(frozen=True)
class Axis:
    """The windows along one axis. ``places`` is how many there are."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    ceil: bool

    @classmethod
    def of(cls, op: Any, x: Array, axis: int) -> Axis:
        size = x.shape[2 + axis]
        kernel, stride = op.kernel[axis], op.stride[axis]
        dilation = op.dilation[axis] if hasattr(op, "dilation") else 1
        before, after = padding(op.pad, size, kernel, stride, dilation, axis)
        return cls(size, kernel, stride, dilation, before, after, getattr(op, "ceil", False))

    @property
    def places(self) -> int:
        """``pooling_output_shape`` of PyTorch (aten/src/ATen/native/Pool.h)."""
        room = self.size + self.before + self.after - self.dilation * (self.kernel - 1) - 1
        count = (room + (self.stride - 1 if self.ceil else 0)) // self.stride + 1
        if self.ceil and (count - 1) * self.stride >= self.size + self.before:
            count -= 1
        return count

    def inside(self, place: int) -> list[int]:
        """The pixels of the input that the window at ``place`` has."""
        start = place * self.stride - self.before
        points = (start + point * self.dilation for point in range(self.kernel))
        return [point for point in points if 0 <= point < self.size]

    def counted(self, place: int) -> int:
        """The pixels of the padded input that it has."""
        start = place * self.stride - self.before
        return min(start + self.kernel, self.size + self.after) - start


def padding(pad: Any, size: int, kernel: int, stride: int, dilation: int, axis: int) -> tuple[int, int]:
    if pad == "valid":
        return 0, 0
    if pad == "half":
        half = dilation * (kernel - 1) // 2
        return half, half
    if pad == "same":
        # https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2
        reach = dilation * (kernel - 1) + 1
        total = max(reach - stride, 0) if size % stride == 0 else max(reach - size % stride, 0)
        return total // 2, total - total // 2
    top, left, bottom, right = pad
    return ((top, bottom), (left, right))[axis]


def pooled(op: Any, x: Array, reduce: Callable[[Array, int], Array]) -> Answer:
    """``reduce`` gets the pixels of a window (flat, in the last axis) and how many there are with padding."""
    if op.kernel == "global":
        pixels = x.reshape(*x.shape[:2], -1)
        return Answer(reduce(pixels, pixels.shape[2])[:, :, None, None])
    rows, columns = Axis.of(op, x, 0), Axis.of(op, x, 1)
    y = np.empty((*x.shape[:2], rows.places, columns.places))
    for i in range(rows.places):
        for j in range(columns.places):
            pixels = np.stack([x[:, :, r, c] for r in rows.inside(i) for c in columns.inside(j)], axis=2)
            y[:, :, i, j] = reduce(pixels, rows.counted(i) * columns.counted(j))
    return Answer(y)


@oracle("maxpool")
def maxpool(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    return pooled(op, inputs[0], lambda pixels, _: pixels.max(axis=2))


@oracle("avgpool")
def avgpool(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    def mean(pixels: Array, with_padding: int) -> Array:
        return pixels.sum(axis=2) / (with_padding if op.count_pad else pixels.shape[2])

    return pooled(op, inputs[0], mean)


@oracle("blurpool")
def blurpool(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    (x,) = inputs
    around = [padding(op.pad, x.shape[2 + axis], op.kernel, op.stride[axis], 1, axis) for axis in (0, 1)]
    padded = np.pad(x, ((0, 0), (0, 0), *around), mode="reflect" if op.edge == "reflect" else "constant")
    # Pascal's triangle.
    line = [1.0]
    while len(line) < op.kernel:
        line = [left + right for left, right in zip([0.0, *line], [*line, 0.0], strict=True)]
    places = [(padded.shape[2 + axis] - op.kernel) // op.stride[axis] + 1 for axis in (0, 1)]
    y = np.zeros((*x.shape[:2], *places))
    for i, j, u, v in np.ndindex(*places, op.kernel, op.kernel):
        y[:, :, i, j] += line[u] * line[v] * padded[:, :, i * op.stride[0] + u, j * op.stride[1] + v]
    return Answer(y / sum(line) ** 2)


# Shapes.


@oracle("flatten")
def flatten(_: Any, inputs: Sequence[Array], __: Parameters) -> Answer:
    return Answer(np.stack([image.ravel() for image in inputs[0]]))


@oracle("trim")
def trim(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    (x,) = inputs
    top, left, bottom, right = op.sides
    rows, columns = range(top, x.shape[2] - bottom), range(left, x.shape[3] - right)
    return Answer(np.array([[[[c[i, j] for j in columns] for i in rows] for c in image] for image in x]))


@oracle("pad")
def pad(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    (x,) = inputs
    batch, channels, rows, columns = x.shape
    top, left, bottom, right = op.sides
    y = np.full((batch, op.before + channels + op.after, top + rows + bottom, left + columns + right), op.value)
    y[:, op.before : op.before + channels, top : top + rows, left : left + columns] = x
    return Answer(y)


@oracle("upsample")
def upsample(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    (x,) = inputs
    return _resampled(op, x, [size * factor for size, factor in zip(x.shape[2:], op.factor, strict=True)])


@oracle("interpolate")
def interpolate(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    return _resampled(op, inputs[0], op.size)


def _resampled(op: Any, x: Array, sizes: Sequence[int]) -> Answer:
    down, across = (_interpolation(op, x.shape[2 + axis], sizes[axis]) for axis in (0, 1))
    return Answer(np.einsum("ir,ncrs,js->ncij", down, x, across))


def _interpolation(op: Any, size: int, result: int) -> Array:
    """Row ``i`` has the weights of the input's rows in row ``i`` of the result."""
    weights = np.zeros((result, size))
    for i in range(result):
        if op.mode == "nearest":
            weights[i, i * size // result] = 1
            continue
        if op.align_corners:
            place = i * (size - 1) / (result - 1) if result > 1 else 0.0
        else:
            place = (i + 0.5) * size / result - 0.5
        place = min(max(place, 0.0), size - 1.0)
        low = min(int(place), size - 1)
        high = min(low + 1, size - 1)
        weights[i, low] += 1 - (place - low)
        weights[i, high] += place - low
    return weights


# Joins.


@oracle("add")
def add(_: Any, inputs: Sequence[Array], __: Parameters) -> Answer:
    return Answer(sum(inputs[1:], inputs[0]))


@oracle("mean")
def mean(_: Any, inputs: Sequence[Array], __: Parameters) -> Answer:
    return Answer(np.mean(np.stack(inputs), axis=0))


@oracle("mul")
def mul(_: Any, inputs: Sequence[Array], __: Parameters) -> Answer:
    shape = np.broadcast_shapes(*(x.shape for x in inputs))
    return Answer(np.prod([np.broadcast_to(x, shape) for x in inputs], axis=0))


@oracle("concat")
def concat(_: Any, inputs: Sequence[Array], __: Parameters) -> Answer:
    return Answer(np.concatenate(inputs, axis=1))


@oracle("prelu")
def prelu(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    y = x.copy()
    for index in np.ndindex(*x.shape):
        if x[index] < 0:
            y[index] = x[index] * parameters["weight"][index[1] if op.per_channel else 0]
    return Answer(y)


@oracle("layer_norm")
def layer_norm(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    mean = sum(x[:, channel] for channel in range(x.shape[1])) / x.shape[1]
    variance = sum((x[:, channel] - mean) ** 2 for channel in range(x.shape[1])) / x.shape[1]
    y = np.stack([(x[:, channel] - mean) / np.sqrt(variance + op.eps) for channel in range(x.shape[1])], axis=1)
    return Answer(per_channel(y, parameters) if op.affine else y)


@oracle("l2_normalize")
def l2_normalize(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    (x,) = inputs
    y = np.empty_like(x)
    for place in np.ndindex(x.shape[0], *x.shape[2:]):
        vector = (place[0], slice(None), *place[1:])
        length = math.sqrt(sum(float(one) ** 2 for one in x[vector]))
        y[vector] = x[vector] / (length if length > op.eps else op.eps)
    return Answer(y)


def per_channel(x: Array, parameters: Parameters) -> Array:
    """``weight[c] * x + bias[c]``."""
    pairs = zip(parameters["weight"], parameters["bias"], strict=True)
    return np.stack([weight * x[:, channel] + bias for channel, (weight, bias) in enumerate(pairs)], axis=1)


@oracle("affine")
def affine(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    y = x.copy()
    for index in np.ndindex(*x.shape):
        place = index[1] if op.per_channel else 0
        weight = parameters["weight"][place] if op.weight else 1
        bias = parameters["bias"][place] if op.bias else 0
        y[index] = weight * x[index] + bias
    return Answer(y)


@oracle("instance_norm")
def instance_norm(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    y = np.empty_like(x)
    for image, channel in np.ndindex(*x.shape[:2]):
        values = x[image, channel]
        mean = values.sum() / values.size
        variance = ((values - mean) ** 2).sum() / values.size
        y[image, channel] = (values - mean) / math.sqrt(variance + op.eps)
    return Answer(per_channel(y, parameters) if op.affine else y)


@oracle("group_norm")
def group_norm(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    y = np.empty_like(x)
    each = x.shape[1] // op.groups
    for image in range(x.shape[0]):
        for first in range(0, x.shape[1], each):
            values = x[image, first : first + each]
            mean = values.sum() / values.size
            variance = ((values - mean) ** 2).sum() / values.size
            y[image, first : first + each] = (values - mean) / math.sqrt(variance + op.eps)
    return Answer(per_channel(y, parameters) if op.affine else y)


@oracle("rms_norm")
def rms_norm(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    square = sum(x[:, channel] ** 2 for channel in range(x.shape[1])) / x.shape[1]
    weight = parameters["weight"] if op.affine else np.ones(x.shape[1])
    return Answer(np.stack([weight[c] * x[:, c] / np.sqrt(square + op.eps) for c in range(x.shape[1])], axis=1))


@oracle("filter_response_norm")
def filter_response_norm(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    y = np.empty_like(x)
    for place in np.ndindex(x.shape[:2]):
        y[place] = x[place] / math.sqrt((x[place] ** 2).sum() / x[place].size + op.eps)
    y = per_channel(y, parameters) if op.affine else y
    for channel in range(x.shape[1] if op.threshold else 0):
        tau = parameters["tau"][channel]
        y[:, channel] = np.where(y[:, channel] > tau, y[:, channel], tau)
    return Answer(y)


@oracle("evo_norm")
def evo_norm(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    y = np.empty_like(x)
    each = x.shape[1] // op.groups
    for image, channel in np.ndindex(x.shape[:2]):
        first = channel // each * each
        group = x[image, first : first + each]
        variance = ((group - group.sum() / group.size) ** 2).sum() / group.size
        values = x[image, channel]
        gate = 1 / (1 + np.exp(-parameters["v"][channel] * values)) if op.gate else 1.0
        y[image, channel] = values * gate / math.sqrt(variance + op.eps)
    return Answer(per_channel(y, parameters) if op.affine else y)


@oracle("global_response_norm")
def global_response_norm(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    y = np.empty_like(x)
    for image in range(x.shape[0]):
        responses = [math.sqrt((channel**2).sum()) for channel in x[image]]
        mean = sum(responses) / len(responses)
        for channel, response in enumerate(responses):
            values = x[image, channel]
            scaled = values * (response / (mean + op.eps))
            y[image, channel] = parameters["weight"][channel] * scaled + parameters["bias"][channel] + values
    return Answer(y)


@oracle("space_to_depth")
def space_to_depth(op: Any, inputs: Sequence[Array], _: Parameters) -> Answer:
    (x,) = inputs
    batch, channels, rows, columns = x.shape
    y = np.empty((batch, channels * op.block**2, rows // op.block, columns // op.block))
    for c, row, column in np.ndindex(channels, rows, columns):
        (i, u), (j, v) = divmod(row, op.block), divmod(column, op.block)
        after = (c * op.block + u) * op.block + v if op.order == "channels" else (u * op.block + v) * channels + c
        y[:, after, i, j] = x[:, c, row, column]
    return Answer(y)


@oracle("conv_transpose")
def conv_transpose(op: Any, inputs: Sequence[Array], parameters: Parameters) -> Answer:
    (x,) = inputs
    batch, channels, *size = x.shape
    # The result before anything is taken off its sides, and with what is added to it.
    whole = [op.stride[a] * (size[a] - 1) + op.dilation[a] * (op.kernel[a] - 1) + 1 + op.output_pad[a] for a in (0, 1)]
    y = np.zeros((batch, op.channels, *whole))
    multiplications = 0
    into, out_of = channels // op.groups, op.channels // op.groups
    for c, o, i, j, u, v in np.ndindex(channels, out_of, *size, *op.kernel):
        row, column = i * op.stride[0] + u * op.dilation[0], j * op.stride[1] + v * op.dilation[1]
        y[:, c // into * out_of + o, row, column] += parameters["weight"][c, o, u, v] * x[:, c, i, j]
        multiplications += 1
    if op.bias:
        for o in range(op.channels):
            y[:, o] += parameters["bias"][o]
    (top, bottom), (left, right) = (padding(op.pad, 0, op.kernel[a], 1, op.dilation[a], a) for a in (0, 1))
    return Answer(y[:, :, top : whole[0] - bottom, left : whole[1] - right], multiplications)
