"""What a layer reads, as columns of its matrix product, and their statistics over the calibration images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_MOST_MOMENTS = 4608**2
"""The most second moments that are kept; beyond, only variances (170 MB in float64)."""


@dataclass(slots=True)
class InputStatistics:
    """Sums over places of a layer's inputs ``[groups, K]``: as floats, as quantized, and products of the latter.

    ``products`` is ``[groups, K, K]`` or, without ``full``, the squares ``[groups, K]``. Products are those of the
    distances from ``origin``, near the mean: for inputs that hardly vary, ``E[x^2] - E[x]^2`` leaves only rounding
    errors, and a matrix that is not positive. Memory does not depend on the number of images.
    """

    full: bool
    count: int = 0
    origin: Array = field(default_factory=lambda: np.zeros(()))
    floats: Array = field(default_factory=lambda: np.zeros(()))
    quantized: Array = field(default_factory=lambda: np.zeros(()))
    products: Array = field(default_factory=lambda: np.zeros(()))

    def add(self, floats: Array, quantized: Array) -> None:
        """Add columns ``[groups, places, K]`` of the same places."""
        groups, places, size = quantized.shape
        self.full = self.full and groups * size * size <= _MOST_MOMENTS
        if not self.count:
            self.origin = quantized.mean(1, keepdims=True)
        self.count += places
        self.floats = self.floats + floats.sum(1, dtype=np.float64)
        self.quantized = self.quantized + quantized.sum(1, dtype=np.float64)
        apart = quantized - self.origin
        if not self.full:
            self.products = self.products + np.square(apart).sum(1, dtype=np.float64)
        elif self.products.ndim:
            self.products += apart.transpose(0, 2, 1) @ apart
        else:
            self.products = (apart.transpose(0, 2, 1) @ apart).astype(np.float64)

    @property
    def means(self) -> tuple[Array, Array]:
        """The means of the inputs, as floats and as quantized: ``[groups, K]``."""
        return self.floats / self.count, self.quantized / self.count

    @property
    def moments(self) -> Array:
        """The covariances ``[groups, K, K]`` of the quantized inputs. Requires ``full``."""
        mean = self._mean_apart
        result: Array = self.products / self.count - mean[:, :, None] * mean[:, None, :]
        return result

    @property
    def variances(self) -> Array:
        """The variances ``[groups, K]`` of the quantized inputs."""
        squares = np.einsum("gkk->gk", self.products) if self.full else self.products
        return np.maximum(squares / self.count - np.square(self._mean_apart), 0)

    @property
    def _mean_apart(self) -> Array:
        """The mean distance ``[groups, K]`` from the origin."""
        return self.quantized / self.count - self.origin[:, 0]


def columns(x: Array, op: str, attributes: Mapping[str, Any], kernel: tuple[int, ...], places: Array) -> Array:
    """What a layer reads at ``places`` (flat indices) of its result: ``[groups, places, K]``.

    ``K`` is (input channel of the group, taps), as in a convolution's weight. Of a batch, only the first is used.
    """
    if op != "Conv":
        return x.reshape(1, -1, x.shape[-1])[:, places]
    strides, pads, dilations, sizes = _geometry(x.shape[2:], attributes, kernel)
    padded = np.pad(x[0], [(0, 0), *pads]) if any(map(any, pads)) else x[0]
    at = np.unravel_index(places, sizes)
    taps = []
    for tap in product(*map(range, kernel)):
        offsets = zip(at, strides, tap, dilations, strict=True)
        index: Any = (slice(None), *(i * stride + offset * dilation for i, stride, offset, dilation in offsets))
        taps.append(padded[index])
    stacked = np.stack(taps, -1)  # [channels, places, taps]
    groups = int(attributes.get("group", 1))
    grouped = stacked.reshape(groups, -1, len(places), len(taps))
    return np.ascontiguousarray(grouped.transpose(0, 2, 1, 3)).reshape(groups, len(places), -1)


def place_count(x: Array, op: str, attributes: Mapping[str, Any], kernel: tuple[int, ...]) -> int:
    """How many places the result of a layer has."""
    if op != "Conv":
        return int(np.prod(x.shape[:-1], dtype=int))
    return int(np.prod(_geometry(x.shape[2:], attributes, kernel)[3], dtype=int))


def _geometry(
    sizes: tuple[int, ...], attributes: Mapping[str, Any], kernel: tuple[int, ...]
) -> tuple[list[int], list[tuple[int, int]], list[int], list[int]]:
    """Strides, pads (begin, end), dilations and the sizes of the result, for each spatial axis."""
    axes = len(kernel)
    strides = list(attributes.get("strides", [1] * axes))
    dilations = list(attributes.get("dilations", [1] * axes))
    extents = [(size - 1) * dilation + 1 for size, dilation in zip(kernel, dilations, strict=True)]
    auto = attributes.get("auto_pad", b"NOTSET").decode()
    if auto.startswith("SAME"):
        pads = []
        for size, stride, extent in zip(sizes, strides, extents, strict=True):
            total = max((-(-size // stride) - 1) * stride + extent - size, 0)
            small, large = total // 2, total - total // 2
            pads.append((small, large) if auto == "SAME_UPPER" else (large, small))
    else:
        flat = [0] * (2 * axes) if auto == "VALID" else list(attributes.get("pads", [0] * (2 * axes)))
        pads = list(zip(flat[:axes], flat[axes:], strict=True))  # ONNX: all begins, then all ends
    results = [
        (size + sum(pad) - extent) // stride + 1
        for size, pad, extent, stride in zip(sizes, pads, extents, strides, strict=True)
    ]
    return strides, pads, dilations, results
