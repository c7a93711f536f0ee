"""Fit the int8 weights of a model, layer by layer in the order of the graph.

Each unit runs on some calibration images, as floats and quantized side by side. So the inputs that a layer gets from
the quantized layers before it are known when its weights are rounded, and the whole is about two passes of the network.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.onnx.qdq import QdqModel, Unit
from resdsl.runtime.session import Session, open_session
from resdsl.tools.quantize.layer_inputs import InputStatistics, columns, place_count
from resdsl.tools.quantize.rounding import (
    channel_scales,
    compensated,
    compensated_each,
    kernel_order,
    least_scales,
    nearest,
    partners,
)

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]

MOST_IMAGES = 48
"""The most images that weights are fitted to; ranges come from all calibration images."""

_MOST_BYTES = 512 * 2**20
"""The most memory for values of all these images at once; a model with larger values is fitted to fewer images."""

_PLACES = 4000
"""How many places of a layer's result are sampled, over all images."""

_MOST_SAMPLED = 64 * 2**20
"""The most bytes of sampled inputs before they are added to the statistics: few large products are faster."""


class BudgetExceededError(Exception):
    """The time for a candidate is over."""


@dataclass(frozen=True, slots=True)
class FitOptions:
    """How weights are rounded: to the nearest integer, or with ``gptq``.

    ``bound`` keeps the sum of any two products within 16 bits; ``limit`` is the largest absolute weight.
    """

    gptq: bool = False
    bound: bool = True
    limit: int = 127


def fit_weights(
    model: QdqModel,
    feeds: Sequence[Feeds],
    options: FitOptions,
    *,
    deadline: float | None = None,
    step: Callable[[], None] = lambda: None,
) -> int:
    """Replace the weights, scales and biases of the quantized layers of ``model``; returns the number of images used.

    Raises ``BudgetExceededError`` once ``time.perf_counter()`` is beyond ``deadline``.
    """
    used = _spread(feeds, max(1, min(len(feeds), MOST_IMAGES, _MOST_BYTES // max(_peak(model, feeds[0]), 1))))
    values = _Values(model, used)
    for index, unit in enumerate(model.units):
        if deadline is not None and time.perf_counter() > deadline:
            raise BudgetExceededError
        floats = values.run_floats(unit)
        weights: dict[str, Array] = {}
        if unit.layer is not None:
            weights = _fit(model, unit, values, options)
        elif unit.float_layer is not None:
            weights = _correct(model, unit, values)
        values.run_quantized(unit, weights)
        values.store(unit, floats)
        values.forget(index)
        step()
    return len(used)


def fit_layer(
    weight: Array,
    bias: Array,
    inputs: InputStatistics,
    input_scale: float,
    options: FitOptions,
    *,
    bound: bool,
) -> tuple[Array, Array, Array]:
    """The integers, scales and bias of a layer with ``weight [M, Cin / groups, *taps]``.

    The bias is corrected for the mean error of the weights and of the inputs (Nagel et al. 2019, arXiv:1906.04721,
    section 4.2, with the means of images instead of batch norms): ``b' = b + W mean(x) - W_q mean(x_q)``.
    """
    outputs = weight.shape[0]
    flat = weight.reshape(outputs, -1).astype(np.float64)
    groups = len(inputs.variances)
    order = kernel_order(weight.shape)
    mean, quantized_mean = inputs.means
    variances = inputs.variances
    # An input that hardly varies here counts a little all the same.
    importance = variances + 1e-3 * variances.mean(1, keepdims=True) + 1e-12
    per_row = [np.repeat(array, outputs // groups, axis=0) for array in (mean, quantized_mean, importance)]
    target = (flat * per_row[0]).sum(1)
    scale = channel_scales(flat[:, order], per_row[2][:, order], bound=bound, limit=options.limit)
    scale = np.maximum(scale, least_scales(bias, target, input_scale))
    if options.gptq and inputs.full:
        moments = inputs.moments
        if outputs == groups:
            rounded = _gptq_each(flat, moments, scale, partners(order) if bound else None, options)
        else:
            rows = outputs // groups
            parts = [slice(group * rows, (group + 1) * rows) for group in range(groups)]
            partner = partners(order) if bound else None
            rounded = np.concatenate(
                [
                    compensated(flat[part], moments[group], scale[part], partner, limit=options.limit)
                    for group, part in enumerate(parts)
                ]
            )
    else:
        rounded = np.empty_like(flat)
        rounded[:, order] = nearest(flat[:, order], scale, bound=bound, limit=options.limit)
    result = (rounded * scale[:, None].astype(np.float64) * per_row[1]).sum(1)
    return rounded.reshape(weight.shape), scale, bias + target - result


def is_depthwise(weight: Array, groups: int) -> bool:
    """Whether ONNX Runtime uses its depthwise kernel, which adds in 32 bits: one channel in and out of each group."""
    return groups > 1 and weight.shape[:2] == (groups, 1)


def matrix(unit: Unit, weight: Array) -> Array:
    """The weight with its output channels first."""
    stored = unit.op == "MatMul" or (unit.op == "Gemm" and not unit.attributes.get("transB"))
    return weight.T if stored else weight


def _gptq_each(flat: Array, moments: Array, scale: Array, partner: Array | None, options: FitOptions) -> Array:
    if partner is None:
        return compensated_each(flat, moments, scale, limit=options.limit)
    rows = range(len(flat))
    parts = [slice(row, row + 1) for row in rows]
    return np.concatenate(
        [
            compensated(flat[part], moments[row], scale[part], partner, limit=options.limit)
            for row, part in zip(rows, parts, strict=True)
        ]
    )


def _fit(model: QdqModel, unit: Unit, values: _Values, options: FitOptions) -> dict[str, Array]:
    """Fit a layer, and return its weights as the quantized model has them, by name; none if it stays as it is."""
    layer, attributes = unit.layer, unit.attributes
    assert layer is not None
    weight, bias = model.weights(unit)
    matched = matrix(unit, weight) if weight.ndim == 2 or unit.op == "Conv" else weight
    (read,) = unit.bytes_read
    channels = matched.shape[0]
    groups = int(attributes.get("group", 1)) if unit.op == "Conv" else 1
    plain = attributes.get("alpha", 1) == attributes.get("beta", 1) == 1 and not attributes.get("transA", 0)
    fits = weight.ndim > 2 if unit.op == "Conv" else weight.ndim == 2
    # The quantizer's own numbers stay for forms that are rare: batched products, a bias for each row, scaled products.
    if not plain or not fits or (bias is not None and bias.shape != (channels,)):
        return {}
    if model.array(layer.quantized[1]).shape != (channels,):
        return {}
    statistics = _statistics(unit, values, matched.shape[2:], full=options.gptq)
    input_scale = model.ranges[read][0]
    rounded, scale, corrected = fit_layer(
        matched,
        np.zeros(channels) if bias is None else bias.astype(np.float64),
        statistics,
        input_scale,
        options,
        bound=options.bound and not is_depthwise(matched, groups),
    )
    dequantized = (rounded * scale.reshape(-1, *[1] * (rounded.ndim - 1))).astype(np.float32)
    changed = {layer.weight: matrix(unit, dequantized)}
    if bias is not None and layer.bias is not None:
        changed[layer.bias] = corrected.astype(np.float32)
    model.replace(unit, matrix(unit, rounded), scale, None if bias is None else corrected, input_scale)
    return changed


def _correct(model: QdqModel, unit: Unit, values: _Values) -> dict[str, Array]:
    """Correct the bias of a layer in floating point for the mean error of its inputs, and return it by its name.

    ``b' = b + W (mean(x) - mean(x_q))``. Without it, a layer that is kept passes on what the layers before it add,
    and the error of the whole grows (MobileNetV2: 2 layers kept, centred cosine 0.90 instead of 0.98).
    """
    layer, attributes = unit.float_layer, unit.attributes
    assert layer is not None
    weight, bias = model.weights(unit)
    matched = matrix(unit, weight)
    plain = attributes.get("alpha", 1) == attributes.get("beta", 1) == 1 and not attributes.get("transA", 0)
    if bias is None or not plain or bias.shape != matched.shape[:1] or (unit.op == "Conv") != (weight.ndim > 2):
        return {}
    floats, quantized = _statistics(unit, values, matched.shape[2:], full=False).means
    difference = np.repeat(floats - quantized, len(matched) // len(floats), axis=0)
    corrected = bias + (matched.reshape(len(matched), -1).astype(np.float64) * difference).sum(1)
    model.replace_bias(unit, corrected)
    return {layer.bias: corrected.astype(np.float32)}


def _statistics(unit: Unit, values: _Values, kernel: tuple[int, ...], *, full: bool) -> InputStatistics:
    """The statistics of what a layer reads, at places sampled from all images."""
    (read,) = unit.inputs
    random = np.random.default_rng(0)
    statistics = InputStatistics(full=full)
    sampled: list[tuple[Array, Array]] = []
    wanted = -(-_PLACES // values.images)
    for index in range(values.images):
        both = values.floats[read][index], values.as_read(unit, index)
        count = place_count(both[0], unit.op, unit.attributes, kernel)
        places = np.arange(count) if wanted >= count else np.sort(random.choice(count, wanted, replace=False))
        floats, quantized = (columns(array, unit.op, unit.attributes, kernel, places) for array in both)
        sampled.append((floats, quantized))
        if index == values.images - 1 or sum(array.nbytes for array, _ in sampled) > _MOST_SAMPLED:
            statistics.add(*(np.concatenate(arrays, 1) for arrays in zip(*sampled, strict=True)))
            sampled.clear()
    return statistics


class _Values:
    """The values between units, of all images: as floats, as bytes, and as the quantized model has them unquantized."""

    def __init__(self, model: QdqModel, feeds: Sequence[Feeds]) -> None:
        self.images = len(feeds)
        self.floats: dict[str, list[Array]] = {}
        self._model = model
        self._bytes: dict[str, list[Array]] = {}
        self._direct: dict[str, list[Array]] = {}
        self._read_as_bytes = {name for unit in model.units for name in unit.bytes_read}
        self._read_direct = {name for unit in model.units for name in unit.reads}
        self._last = {name: index for index, unit in enumerate(model.units) for name in unit.inputs}
        for name in feeds[0]:
            self.floats[name] = self._direct[name] = [feed[name] for feed in feeds]
            if name in self._read_as_bytes:
                self._bytes[name] = [quantized(feed[name], *model.ranges[name]) for feed in feeds]

    def as_read(self, unit: Unit, index: int) -> Array:
        """What the unit, which reads one value, reads of it in the quantized model."""
        (name,) = unit.inputs
        return self._direct[name][index] if unit.reads else self._dequantized(name, index)

    def _dequantized(self, name: str, index: int) -> Array:
        scale, zero = self._model.ranges[name]
        return (self._bytes[name][index].astype(np.float32) - np.float32(zero)) * np.float32(scale)

    def run_floats(self, unit: Unit) -> dict[str, list[Array]]:
        """The results of the unit in floating point."""
        dtypes = {name: self.floats[name][0].dtype for name in unit.inputs}
        session = unit_session(self._model.model(unit, dtypes))
        runs = [
            session.run({name: self.floats[name][index] for name in unit.inputs}, list(unit.outputs))
            for index in range(self.images)
        ]
        return {name: [run[name] for run in runs] for name in unit.outputs if name in self._last}

    def run_quantized(self, unit: Unit, weights: Mapping[str, Array]) -> None:
        """Compute the results that the unit has in the quantized model."""
        as_bytes = [name for name in unit.outputs if name in self._read_as_bytes]
        direct = [name for name in unit.outputs if name in self._read_direct]
        if not as_bytes and not direct:
            return
        dtypes = {name: self._direct[name][0].dtype for name in unit.reads}
        quantized_outputs = {"floats": direct, "bytes": as_bytes}
        session = unit_session(self._model.model(unit, dtypes, weights=weights, quantized=quantized_outputs))
        names = [*direct, *(f"{name}/bytes" for name in as_bytes)]
        runs = []
        for index in range(self.images):
            feeds = {name: self._direct[name][index] for name in unit.reads}
            feeds |= {f"{name}/bytes": self._bytes[name][index] for name in unit.bytes_read}
            runs.append(session.run(feeds, names))
        self._direct |= {name: [run[name] for run in runs] for name in direct}
        self._bytes |= {name: [run[f"{name}/bytes"] for run in runs] for name in as_bytes}

    def store(self, unit: Unit, floats: dict[str, list[Array]]) -> None:
        self.floats |= floats

    def forget(self, index: int) -> None:
        """Drop the values that no unit after ``index`` reads."""
        for name in [name for name, last in self._last.items() if last == index]:
            for values in (self.floats, self._bytes, self._direct):
                values.pop(name, None)

    @property
    def size(self) -> int:
        """Bytes of all values."""
        known = (self.floats, self._bytes, self._direct)
        return sum(array.nbytes for values in known for arrays in values.values() for array in arrays)


def quantized(x: Array, scale: float, zero: int) -> Array:
    """``q = clip(round(x / scale) + zero, 0, 255)``, ties to even as in ONNX's QuantizeLinear."""
    result: Array = np.clip(np.rint(x / np.float32(scale)) + zero, 0, 255).astype(np.uint8)
    return result


def unit_session(model: bytes) -> Session:
    """A session that computes with floats: optimised, but without integer kernels.

    Its threads don't spin while they wait, since NumPy's threads work between its runs.
    """
    entries = {"session.disable_quant_qdq": "1", "session.intra_op.allow_spinning": "0"}
    return open_session(model, device="cpu", name="a layer", entries=entries)


def _peak(model: QdqModel, feeds: Feeds) -> int:
    """The most bytes of values at once, for one image."""
    values = _Values(model, [feeds])
    peak = 0
    for index, unit in enumerate(model.units):
        floats = values.run_floats(unit)
        values.run_quantized(unit, {})
        values.store(unit, floats)
        peak = max(peak, values.size)
        values.forget(index)
    return peak


def _spread(feeds: Sequence[Feeds], count: int) -> list[Feeds]:
    return [feeds[index * len(feeds) // count] for index in range(count)]
