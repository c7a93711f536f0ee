"""The ranges of single channels, and the factors with which they share one scale."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.onnx.outline import Outline
from resdsl.runtime.session import WEIGHTS_FOLDER, open_session

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]

_POWER = 0.75
_FINEST = 16
_ZEROS = np.geomspace(1 / 64, 4, 40)


def channel_ranges(model: Path, names: Iterable[str], images: Iterable[Feeds]) -> dict[str, tuple[Array, Array]]:
    """The smallest and largest value of each channel over ``images``, both ``[C]``; 0 lies between them.

    What nothing that reads a value can tell apart counts once (``informative_bounds``).
    """
    outline = Outline(model)
    wanted = sorted(names)
    entries = {WEIGHTS_FOLDER: os.fspath(model.parent.resolve())}
    session = open_session(outline.exposing(wanted), device="cpu", name="the model", entries=entries)
    bounds = outline.informative_bounds()
    found: dict[str, tuple[Array, Array]] = {}
    for feed in images:
        for name, array in session.run(dict(feed), wanted).items():
            axes = (0, *range(2, array.ndim))
            clipped = np.clip(array, *bounds.get(name, (-np.inf, np.inf)))
            low, high = np.minimum(clipped.min(axes), 0), np.maximum(clipped.max(axes), 0)
            if name in found:
                low, high = np.minimum(low, found[name][0]), np.maximum(high, found[name][1])
            found[name] = low, high
    return found


def channel_factors(low: Array, high: Array) -> Array:
    """The factors ``f [C]``, at most 1, with which the channels of ``x / f`` have similar ranges.

    Bytes have one zero point for all channels, because a convolution pads with it, so a channel needs the range
    ``t [-z, 1]`` with ``t = max(high, -low / z)``; ``z`` is the one with the smallest steps, as the geometric mean.

    Factors are ``(t / max t)^(3/4)``, at least 1/16: a channel that hardly responds to these images leaves its range on
    others if it is scaled to all of it. (PP-LCNet, ``PP-OCR``'s direction: better than the exponents 1 and 1/2.)
    """
    low, high = low.astype(np.float64), high.astype(np.float64)
    best, factors = np.inf, np.ones(high.shape)
    for zero in _ZEROS if low.min(initial=0) < 0 else (0.0,):
        needed = np.maximum(high, -low / zero) if zero else high
        largest = needed.max(initial=0)
        if not 0 < largest < np.inf:
            break
        candidate = np.maximum((needed / largest) ** _POWER, 1 / _FINEST)
        steps = float(np.log(candidate * largest * (1 + zero)).mean())
        if steps < best:
            best, factors = steps, candidate
    result: Array = factors.astype(np.float32)
    return result
