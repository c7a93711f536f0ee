"""The ranges of values over the calibration images, without the outermost values."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.onnx.outline import Outline
from resdsl.runtime.session import WEIGHTS_FOLDER, open_session

Array = npt.NDArray[Any]
Feeds = dict[str, Array]
Range = tuple[float, float]

OUTERMOST = 1e-5
"""The share of values outside the range, half of it on each side."""

_BINS = 4096


def value_ranges(model: Path, names: Iterable[str], images: Callable[[], Iterable[Feeds]]) -> dict[str, Range]:
    """The range of each value of ``names`` that ``model`` computes as floats, over ``images``, which are read twice.

    A range contains 0 and all values but the outermost 0.001 %. Few large values, such as those of one channel that
    hardly ever responds, cost all others resolution: without them both MobileNetV2 and EfficientNet-lite0 keep more top
    classes. Memory is that of one image's values and of a histogram for each name.
    """
    outline = Outline(model)
    wanted = frozenset(names)
    computed = sorted(wanted & outline.values.keys())
    entries = {WEIGHTS_FOLDER: os.fspath(model.parent.resolve())}
    session = open_session(outline.exposing(computed), device="cpu", name="the model", entries=entries)

    def values() -> Iterator[tuple[str, Array]]:
        for feed in images():
            for name, array in (feed | session.run(feed, computed)).items():
                if name in wanted and np.issubdtype(array.dtype, np.floating) and array.size:
                    yield name, array

    lows, highs = dict.fromkeys(wanted, 0.0), dict.fromkeys(wanted, 0.0)
    for name, array in values():
        lows[name] = min(lows[name], float(array.min()))
        highs[name] = max(highs[name], float(array.max()))
    histograms = {
        name: np.zeros(_BINS, np.int64)
        for name in wanted
        if np.isfinite(highs[name] - lows[name]) and lows[name] < highs[name]
    }
    for name, array in values():
        if name in histograms:
            step = (highs[name] - lows[name]) / _BINS
            places = ((array.ravel() - np.float32(lows[name])) / np.float32(step)).astype(np.int64)
            histograms[name] += np.bincount(np.clip(places, 0, _BINS - 1), minlength=_BINS)
    return {name: _inner(histogram, lows[name], highs[name]) for name, histogram in histograms.items()}


def _inner(histogram: Array, low: float, high: float) -> Range:
    """The part of the range without the outermost values; 0 stays in it."""
    shares = np.cumsum(histogram) / histogram.sum()
    edges = np.linspace(low, high, len(histogram) + 1)
    first = int(np.searchsorted(shares, OUTERMOST / 2, side="right"))
    last = int(np.searchsorted(shares, 1 - OUTERMOST / 2, side="left"))
    return min(float(edges[first]), 0.0), max(float(edges[last + 1]), 0.0)
