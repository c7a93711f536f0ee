"""How far a quantized model is from the original: layer by layer, and in its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution or linear layer, and the error of its result on the held-out images.

    ``decibels`` is the signal-to-noise ratio; ``added`` is the noise-to-signal ratio that the layer adds to that of its
    input. Both are errors of quantization, with the graph run as written. ``kernel_decibels`` and ``kernel_steps`` are
    the error of this CPU's kernel for the layer alone: the signal-to-noise ratio and the largest difference in steps of
    the result. They are ``None`` for layers without an int8 kernel. ``kept`` layers are in floating point.
    """

    name: str
    op: str
    decibels: float
    added: float
    cosine: float
    kept: bool
    kernel_decibels: float | None = None
    kernel_steps: float | None = None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How close one output is to the original's, on the held-out images.

    ``cosine`` is the minimum and ``mean_cosine`` the mean over the images. ``centred`` is the mean cosine after
    subtracting the original's mean over the images from both, so it measures what distinguishes images; it is ``None``
    for a single image and for outputs other than ``[N, features]``. For ``agree`` of ``images`` the largest value has
    the same index. ``scores`` are those of the single images, 1 without an error, and ``score`` is their mean: what
    candidates are compared by.

    The score of an image is ``v / (v + |a - b|^2)``, with the variance ``v = mean |a - mean a|^2`` of the original's
    outputs over the images; it is the cosine where there is no ``centred``. Of an image whose output is near the mean,
    the centred cosine is that of noise, and it counts as much as the others.
    """

    output: str
    cosine: float
    mean_cosine: float
    centred: float | None
    decibels: float
    agree: int
    images: int
    scores: tuple[float, ...] = ()

    @property
    def score(self) -> float:
        return _mean(self.scores) if self.scores else self.mean_cosine


@dataclass(slots=True)
class Distance:
    """The error of one value of the quantized model, summed over images.

    ``signal``, ``noise`` and ``other`` are sums of squares of the original, the difference and the quantized value;
    ``product`` is the sum of products, for the cosine.
    """

    signal: float = 0.0
    noise: float = 0.0
    other: float = 0.0
    product: float = 0.0

    def add(self, original: Array, quantized: Array) -> None:
        """Add the values of another image."""
        a, b = original.ravel(), quantized.ravel()
        # float32 is precise enough: sums of millions of terms of one sign, for decibels.
        difference = a - b
        self.signal += float(a @ a)
        self.other += float(b @ b)
        self.product += float(a @ b)
        self.noise += float(difference @ difference)

    @property
    def noise_ratio(self) -> float:
        """The noise-to-signal ratio, ``sum (a - b)^2 / sum a^2``."""
        return self.noise / self.signal if self.signal else float(self.noise > 0)

    @property
    def decibels(self) -> float:
        """The signal-to-noise ratio, ``10 log10(sum a^2 / sum (a - b)^2)``."""
        if not self.noise:
            return float("inf")
        return float(10 * np.log10(self.signal / self.noise)) if self.signal else float("-inf")

    @property
    def cosine(self) -> float:
        """The cosine similarity of all values."""
        lengths = (self.signal * self.other) ** 0.5
        return self.product / lengths if lengths else float(self.signal == self.other)


class OutputComparison:
    """Collects one output of both models over the images."""

    def __init__(self) -> None:
        self._all = Distance()
        self._cosines: list[float] = []
        self._rows: list[tuple[Array, Array]] = []
        self._agree = 0

    def add(self, original: Array, quantized: Array) -> None:
        """Add the outputs for another image."""
        one = Distance()
        one.add(original, quantized)
        self._all.add(original, quantized)
        self._cosines.append(one.cosine)
        if original.ndim == 2:
            self._rows.append((original[0], quantized[0]))
        self._agree += int(original[:1].argmax() == quantized[:1].argmax())

    def agreement(self, name: str) -> Agreement:
        cosines = self._cosines
        apart, scores = self._centred()
        return Agreement(
            name,
            cosine=min(cosines),
            mean_cosine=_mean(cosines),
            centred=_mean(apart) if apart else None,
            decibels=self._all.decibels,
            agree=self._agree,
            images=len(cosines),
            scores=tuple(scores or cosines),
        )

    def _centred(self) -> tuple[list[float], list[float]]:
        """The cosine of each image after subtracting the mean, and its score; empty where these say nothing."""
        if len(self._rows) < 2:
            return [], []
        mean = np.mean([original for original, _ in self._rows], axis=0)
        distances = []
        for original, quantized in self._rows:
            one = Distance()
            one.add(original - mean, quantized - mean)
            distances.append(one)
        variance = _mean([one.signal for one in distances])
        scores = [variance / (variance + one.noise) for one in distances] if variance else []
        return [one.cosine for one in distances], scores


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
