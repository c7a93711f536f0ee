"""Rounding of weights to int8 with the least error of the layer's result, and sums of products that fit 16 bits.

Kernels for CPUs with AVX2 but no VNNI multiply uint8 activations with int8 weights and add the products of two
neighbouring inputs in a saturating int16 (``vpmaddubsw``). A sum of two products is at most
``255 (max(a, 0) + max(b, 0))`` for the weights ``a``, ``b`` of a pair and any activations, and at least
``255 (min(a, 0) + min(b, 0))``. It fits where the first sum of weights is at most 128 and the second at least -128:
``255 * 128 = 32640 < 32768``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PAIR = 128
"""The largest absolute sum of the weights of one sign in a pair."""

_DAMPING = 0.01
_MOST_DAMPINGS = 4
_BLOCK = 64
_STEPS = 8
_LOWEST = 0.8
_TINY = 1e-12


def kernel_order(shape: tuple[int, ...]) -> Array:
    """The columns of ``weight.reshape(M, -1)`` in the order in which kernels read them: (taps, input channel)."""
    channels, taps = shape[1], int(np.prod(shape[2:], dtype=int))
    return np.arange(channels * taps).reshape(channels, taps).T.ravel()


def partners(order: Array) -> Array:
    """For each column, the one whose product is added to its own in 16 bits; -1 for the last of an odd number."""
    partner = np.full(len(order), -1)
    even = len(order) // 2 * 2
    partner[order[0:even:2]], partner[order[1:even:2]] = order[1:even:2], order[0:even:2]
    return partner


def pairs_beyond(weight: Array) -> int:
    """How many pairs of int8 weights ``[M, K]``, in the kernels' order, can leave 16 bits."""
    even = weight.shape[1] // 2 * 2
    a, b = weight[:, 0:even:2].astype(int), weight[:, 1:even:2].astype(int)
    positive = np.maximum(a, 0) + np.maximum(b, 0) > PAIR
    negative = np.minimum(a, 0) + np.minimum(b, 0) < -PAIR
    return int((positive | negative).sum())


def nearest(weight: Array, scale: Array, *, bound: bool, limit: int) -> Array:
    """Round ``weight [M, K]``, in the kernels' order, to the nearest integers within the limits."""
    rounded = np.clip(np.rint(weight / scale[:, None]), -limit, limit)
    return _bounded(rounded) if bound else rounded


def channel_scales(weight: Array, importance: Array, *, bound: bool, limit: int) -> Array:
    """A scale for each row of ``weight [M, K]``, in the kernels' order: least ``sum_k importance_k (w_k - s q_k)^2``.

    ``importance`` is the variance of the inputs, so the sum is the error of the result (Nagel et al. 2021,
    arXiv:2106.08295, section 3.1). The candidates lie between a scale that clips the largest weight by a fifth and one
    for which no pair is clipped.
    """
    weight, importance = weight.astype(np.float32), importance.astype(np.float32)
    largest = np.abs(weight).max(1, initial=0)
    largest = np.where(largest > 0, largest, 1)
    low, high = _LOWEST * largest / limit, largest / limit
    even = weight.shape[1] // 2 * 2
    if bound and even:
        a, b = weight[:, 0:even:2], weight[:, 1:even:2]
        sums = np.where(a * b > 0, np.abs(a + b), 0).max(1)
        high = np.maximum(high, sums / PAIR * (1 + 1 / PAIR))
    best, scale = np.full(len(weight), np.inf, np.float32), high.copy()
    for step in np.linspace(0, 1, _STEPS, dtype=np.float32):
        candidate = low * (high / low) ** step
        rounded = nearest(weight, candidate, bound=bound, limit=limit)
        error = (np.square(weight - rounded * candidate[:, None]) * importance).sum(1)
        better = error < best
        best, scale = np.where(better, error, best), np.where(better, candidate, scale)
    return scale.astype(np.float32)


def least_scales(bias: Array, correction: Array, input_scale: float) -> Array:
    """The smallest scales for which the bias is an exact float in steps of ``input_scale * scale``, so fits int32.

    ``(|b| + |correction|) / (input_scale * 2^23)``. It matters for channels without weights to speak of.
    """
    return ((np.abs(bias) + np.abs(correction)) / (input_scale * 2.0**23)).astype(np.float32)


def compensated(weight: Array, moments: Array, scale: Array, partner: Array | None, *, limit: int) -> Array:
    """Round ``weight [M, K]`` column by column, each error compensated by the columns still to be rounded.

    GPTQ (Frantar et al. 2022, arXiv:2210.17323, algorithm 1) with ``moments [K, K]``, the second moments of the inputs;
    columns of the largest moments come first. ``partner`` bounds pairs: a weight is clipped to what its partner leaves.
    """
    rows, columns = weight.shape
    order = np.argsort(-np.diag(moments), kind="stable")
    inverse = np.argsort(order)
    mate = np.full(columns, -1)
    if partner is not None:
        mate = np.where(partner[order] >= 0, inverse[np.maximum(partner[order], 0)], -1)
    rest = weight[:, order].astype(np.float64)
    upper = _upper(moments[np.ix_(order, order)].astype(np.float64))
    rounded = np.zeros_like(rest)
    steps = scale.astype(np.float64)
    for start in range(0, columns, _BLOCK):
        stop = min(start + _BLOCK, columns)
        errors = np.zeros((rows, stop - start))
        for column in range(start, stop):
            low, high = np.full(rows, -float(limit)), np.full(rows, float(limit))
            if 0 <= mate[column] < column:
                other = rounded[:, mate[column]]
                high = np.minimum(high, PAIR - np.maximum(other, 0))
                low = np.maximum(low, -PAIR - np.minimum(other, 0))
            rounded[:, column] = np.clip(np.rint(rest[:, column] / steps), low, high)
            error = (rest[:, column] - rounded[:, column] * steps) / upper[column, column]
            rest[:, column:stop] -= error[:, None] * upper[column, column:stop]
            errors[:, column - start] = error
        rest[:, stop:] -= errors @ upper[start:stop, stop:]
    return rounded[:, inverse]


def compensated_each(weight: Array, moments: Array, scale: Array, *, limit: int) -> Array:
    """``compensated`` for depthwise layers: ``weight [C, K]``, and ``moments [C, K, K]`` for each channel."""
    rest = weight.astype(np.float64)
    upper = _upper(moments.astype(np.float64))
    rounded = np.zeros_like(rest)
    for column in range(rest.shape[1]):
        rounded[:, column] = np.clip(np.rint(rest[:, column] / scale), -limit, limit)
        error = (rest[:, column] - rounded[:, column] * scale) / upper[:, column, column]
        rest[:, column:] -= error[:, None] * upper[:, column, column:]
    return rounded


def _bounded(rounded: Array) -> Array:
    """Bring the sums of pairs within the bound, by reducing the larger of each pair."""
    even = rounded.shape[1] // 2 * 2
    a, b = rounded[:, 0:even:2], rounded[:, 1:even:2]  # views
    # Only the sum of a pair of one sign can be beyond: a single weight is at most 127.
    over = a + b - np.clip(a + b, -PAIR, PAIR)
    first = np.abs(a) >= np.abs(b)
    a -= np.where(first, over, 0)
    b -= np.where(first, 0, over)
    return rounded


def _upper(moments: Array) -> Array:
    """The upper triangular ``U`` with ``U^T U`` the inverse of the damped moments, of one matrix or of several."""
    size = moments.shape[-1]
    damping = _DAMPING * np.trace(moments, axis1=-2, axis2=-1) / size + _TINY
    for _ in range(_MOST_DAMPINGS):
        damped = moments + np.asarray(damping)[..., None, None] * np.eye(size)
        with suppress(np.linalg.LinAlgError):  # rounding errors of the moments can be larger than the damping
            return np.swapaxes(np.linalg.cholesky(np.linalg.inv(damped)), -1, -2)
        damping = damping * 10
    return np.broadcast_to(np.eye(size), moments.shape)  # rounds to nearest
