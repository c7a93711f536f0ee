"""Constructs that only one family needs, from the text to the result of ONNX Runtime, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from resdsl.passes import LEVELS, optimize

from ..building import build
from .running import Weights, image_of, run, weights_for

Array = np.ndarray
Sides = tuple[int, int, int, int]
"""Pixels at the top, left, bottom and right."""


@dataclass(frozen=True)
class Case:
    """``text`` stands between ``input x`` and ``output y``; ``blocks`` before the model."""

    name: str
    text: str
    shape: tuple[int, int, int, int]
    expected: Callable[[Array, Weights], Array]
    blocks: str = ""


def windows(x: Array, size: tuple[int, int], stride: int, dilation: int = 1) -> Array:
    """``[N, C, rows, columns, height, width]``: the windows that lie in ``x``."""
    reach = tuple((length - 1) * dilation + 1 for length in size)
    return sliding_window_view(x, reach, axis=(2, 3))[:, :, ::stride, ::stride, ::dilation, ::dilation]


def padded(x: Array, sides: Sides, value: float = 0.0) -> Array:
    top, left, bottom, right = sides
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=value)


def conv(x: Array, weight: Array, sides: Sides, stride: int = 1, dilation: int = 1, groups: int = 1) -> Array:
    seen = windows(padded(x, sides), weight.shape[2:], stride, dilation)
    parts = zip(np.split(seen, groups, axis=1), np.split(weight, groups), strict=True)
    return np.concatenate([np.einsum("ncijuv,ocuv->noij", part, kernel) for part, kernel in parts], axis=1)


def bn(x: Array, weights: Weights, name: str) -> Array:
    gamma, beta, mean, variance = (
        weights(f"{name}.{part}")[:, None, None] for part in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def maxpool(x: Array, size: int, stride: int, sides: Sides) -> Array:
    return windows(padded(x, sides, -np.inf), (size, size), stride).max(axis=(4, 5))


def mean_of_pixels(x: Array, size: int, stride: int, sides: Sides) -> Array:
    """Averages that count the image's own pixels alone."""
    ones = np.ones_like(x)
    total, count = (windows(padded(each, sides), (size, size), stride).sum(axis=(4, 5)) for each in (x, ones))
    return total / count


def by_pixel(x: Array, weight: Array) -> Array:
    """A 1x1 convolution."""
    return np.einsum("ncij,oc->noij", x, weight[:, :, 0, 0])


def doubled(x: Array) -> Array:
    return x.repeat(2, axis=2).repeat(2, axis=3)


def preactivated(x: Array, w: Weights) -> Array:
    # arXiv:1603.05027, figure 1 (b), where the shape changes: both paths start from the activated value.
    active = relu(bn(x, w, "a.norm1"))
    inner = relu(bn(conv(active, w("a.conv1.weight"), (1, 1, 1, 1), stride=2), w, "a.norm2"))
    return conv(inner, w("a.conv2.weight"), (1, 1, 1, 1)) + by_pixel(active[:, :, ::2, ::2], w("a.down.weight"))


def excited(x: Array, w: Weights) -> Array:
    # arXiv:1709.01507, equations 2 to 4.
    squeezed = x.mean(axis=(2, 3), keepdims=True)
    inner = relu(by_pixel(squeezed, w("fc1.weight")) + w("fc1.bias")[:, None, None])
    gate = by_pixel(inner, w("fc2.weight")) + w("fc2.bias")[:, None, None]
    return x / (1 + np.exp(-gate))


def option_a(x: Array, w: Weights) -> Array:
    # arXiv:1512.03385, sec. 4.2: the shortcut takes every second pixel, and zeros for the channels that are new.
    main = conv(x, w("conv.weight"), (1, 1, 1, 1), stride=2)
    shortcut = np.zeros_like(main)
    shortcut[:, : x.shape[1]] = x[:, :, ::2, ::2]
    return main + shortcut


CASES = [
    # Caffe's ResNet pools without padding, and the last window reaches out of the image.
    Case(
        "ceil",
        "maxpool(3x3, stride = 2, pad = valid, ceil = true)",
        (1, 2, 8, 10),
        lambda x, _: maxpool(x, 3, 2, (0, 0, 1, 1)),
    ),
    Case("floor", "maxpool(3x3, stride = 2, pad = valid)", (1, 2, 8, 10), lambda x, _: maxpool(x, 3, 2, (0, 0, 0, 0))),
    Case(
        "uneven padding",
        "c: conv(4, 3x3, stride = 2, pad = [0, 1, 2, 3])",
        (1, 3, 7, 6),
        lambda x, w: conv(x, w("c.weight"), (0, 1, 2, 3), stride=2),
    ),
    # TensorFlow's SAME of an even size under stride 2: all of the padding is behind.
    Case(
        "same padding",
        "c: conv(4, 3x3, stride = 2, pad = same)",
        (1, 3, 8, 6),
        lambda x, w: conv(x, w("c.weight"), (0, 0, 1, 1), stride=2),
    ),
    # Inception's factorised kernels: half of 7 beside, nothing above.
    Case(
        "long kernels",
        "a: conv(4, 1x7);  b: conv(5, 7x1)",
        (1, 3, 6, 9),
        lambda x, w: conv(conv(x, w("a.weight"), (0, 3, 0, 3)), w("b.weight"), (3, 0, 3, 0)),
    ),
    Case(
        "count_pad = false",
        "avgpool(3x3, count_pad = false)",
        (1, 2, 5, 6),
        lambda x, _: mean_of_pixels(x, 3, 1, (1, 1, 1, 1)),
    ),
    Case(
        "count_pad = true",
        "avgpool(3x3)",
        (1, 2, 5, 6),
        lambda x, _: windows(padded(x, (1, 1, 1, 1)), (3, 3), 1).mean(axis=(4, 5)),
    ),
    # ResNet-D's shortcut on an odd size.
    Case(
        "ceil and count_pad",
        "avgpool(2, stride = 2, pad = valid, ceil = true, count_pad = false)",
        (1, 2, 7, 5),
        lambda x, _: mean_of_pixels(x, 2, 2, (0, 0, 1, 1)),
    ),
    # ResNeXt.
    Case(
        "groups",
        "c: conv(8, 3x3, groups = 4)",
        (1, 12, 5, 6),
        lambda x, w: conv(x, w("c.weight"), (1, 1, 1, 1), groups=4),
    ),
    Case(
        "depthwise",
        "c: conv(channels, 3x3, groups = channels)",
        (1, 5, 5, 6),
        lambda x, w: conv(x, w("c.weight"), (1, 1, 1, 1), groups=5),
    ),
    # Dense prediction: half padding of a dilated kernel keeps the size.
    Case(
        "dilation",
        "c: conv(4, 3x3, dilation = 3) -> [N, 4, 9, 8]",
        (1, 2, 9, 8),
        lambda x, w: conv(x, w("c.weight"), (3, 3, 3, 3), dilation=3),
    ),
    # Inception-ResNet: the main path is scaled, the shortcut is not.
    Case(
        "scaled residual",
        "residual(scale = 0.17) { c: conv(3, 1x1) };  relu",
        (1, 3, 4, 5),
        lambda x, w: relu(x + 0.17 * by_pixel(x, w("c.weight"))),
    ),
    # Wide ResNets train with it; what runs is without.
    Case(
        "dropout",
        "a: conv(4, 1x1);  dropout(0.3);  b: conv(2, 1x1)",
        (1, 3, 4, 5),
        lambda x, w: by_pixel(by_pixel(x, w("a.weight")), w("b.weight")),
    ),
    Case(
        "taps of a pre-activation",
        "a: unit(6, stride = 2)",
        (1, 4, 6, 8),
        preactivated,
        """block unit(width, stride) {
             residual {
               norm1: bn;  relu;  tap preact
               conv1: conv(width, 3x3, stride = stride);  norm2: bn;  relu;  conv2: conv(width, 3x3)
             } shortcut projection { from preact { down: conv(width, 1x1, stride = stride) } }
           }""",
    ),
    # A feature pyramid in small: the coarse level twice as large, and the lateral 1x1.
    Case(
        "taps of a pyramid",
        "a: conv(4, 1x1);  tap fine;  maxpool(2x2, stride = 2, pad = valid);  b: conv(5, 1x1)\n"
        "add { upsample(2); from fine { lateral: conv(5, 1x1) } }",
        (1, 3, 4, 6),
        lambda x, w: (
            doubled(by_pixel(maxpool(by_pixel(x, w("a.weight")), 2, 2, (0, 0, 0, 0)), w("b.weight")))
            + by_pixel(by_pixel(x, w("a.weight")), w("lateral.weight"))
        ),
    ),
    Case("option A", "residual { conv: conv(7, 3x3, stride = 2) } shortcut pad", (1, 3, 7, 6), option_a),
    Case(
        "no shortcut",
        "residual { c: conv(7, 1x1) } shortcut none",
        (1, 3, 4, 4),
        lambda x, w: by_pixel(x, w("c.weight")),
    ),
    Case(
        "squeeze and excitation",
        "mul { identity; { avgpool(global); fc1: conv(2, 1x1, bias = true); relu\n"
        "fc2: conv(8, 1x1, bias = true); sigmoid } }",
        (2, 8, 3, 4),
        excited,
    ),
    # DenseNet: what came before stands first.
    Case(
        "concat",
        "concat { identity; { norm: bn; relu; c: conv(2, 1x1) } }",
        (1, 3, 4, 5),
        lambda x, w: np.concatenate([x, by_pixel(relu(bn(x, w, "norm")), w("c.weight"))], axis=1),
    ),
]


@pytest.mark.parametrize("level", [0, len(LEVELS) - 1], ids=["as-written", "folded"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_construct_computes_its_definition(case: Case, level: int) -> None:
    size = ", ".join(map(str, case.shape[1:]))
    graph = build(f"{case.blocks}\nmodel net() {{\n  input x: f32[N, {size}]\n  {case.text}\n  output y\n}}\n")
    draw, image = weights_for(graph), image_of(case.shape)

    found = run(optimize(graph, level), draw, image)["y"]

    wanted = case.expected(image.astype(np.float64), lambda name: draw(name).astype(np.float64))
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
