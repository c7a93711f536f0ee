"""The candidates for a quantized model: how each is made, and what was measured of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from resdsl.tools.quantize.agreement import Agreement
from resdsl.tools.quantize.quantizer import RANGES

METHODS = ("best", "nearest", "gptq", *RANGES)
"""How weights are chosen. ``best`` measures several candidates and keeps the best."""

FITTED = ("nearest", "gptq")
"""The methods that fit weights."""

FITTED_RANGES = ("minmax", "percentile", "channels")
"""How the ranges of fitted models are chosen."""

TARGETS = ("any", "vnni")
"""The CPUs that a model is for: any, or those with VNNI or AMX, which add products in 32 bits."""

GOAL_COSINE, GOAL_AGREEMENT, GOAL_GAIN = 0.98, 0.85, 1.25
"""A candidate that reaches these ends the search: mean cosine, share of the same top classes, times as fast."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a candidate is made: ``method`` of ``METHODS`` but ``best``; ``ranges`` are those of a fitted model.

    ``operators`` as in ``Settings``; ``keep`` are layers in floating point beside those of the settings.
    """

    method: str
    ranges: str = "minmax"
    operators: str = "all"
    keep: tuple[str, ...] = ()
    reduce_range: bool = False

    @property
    def name(self) -> str:
        parts = [self.method]
        if self.method in FITTED and self.ranges != "minmax":
            parts.append("ranges of channels" if self.ranges == "channels" else f"{self.ranges} ranges")
        if self.operators == "layers":
            parts.append("layers only")
        if self.keep:
            parts.append(f"{len(self.keep)} layer{'s' * (len(self.keep) > 1)} kept")
        if self.reduce_range:
            parts.append("7-bit weights")
        return ", ".join(parts)

    @property
    def graph(self) -> tuple[str, tuple[str, ...], bool]:
        """What decides the operators of the model, and so its speed."""
        return self.operators, self.keep, self.ranges == "channels"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A quantized model that was tried, or why it could not be made (``problem``).

    ``saturating`` are the layers in which the sum of two products can leave 16 bits. ``agreement`` is that of the first
    output on the held-out images, computed as by the CPUs the model is for. ``gain`` is how many times as fast as the
    original it is on this CPU.
    """

    recipe: Recipe
    seconds: float
    saturating: tuple[str, ...] = ()
    agreement: Agreement | None = None
    gain: float | None = None
    chosen: bool = False
    problem: str = ""

    @property
    def method(self) -> str:
        return self.recipe.method

    @property
    def name(self) -> str:
        return self.recipe.name

    @property
    def score(self) -> float:
        """The mean score of the images; an output that is no number has the lowest."""
        score = math.nan if self.agreement is None else self.agreement.score
        return float("-inf") if math.isnan(score) else score

    @property
    def is_faithful(self) -> bool:
        """Whether it reaches the goal but for its speed."""
        found = self.agreement
        if found is None:
            return False
        return found.mean_cosine >= GOAL_COSINE and found.agree >= GOAL_AGREEMENT * found.images

    @property
    def reaches_goal(self) -> bool:
        return self.is_faithful and (self.gain or 0) >= GOAL_GAIN
