"""The learning rate of each step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Decay(StrEnum):
    """How the learning rate falls after the warm-up.

    - ``constant``: it does not
    - ``step``: to a tenth at each milestone (He et al. 2015, arXiv:1512.03385, sec. 4.2: at 32k and 48k of 64k steps)
    - ``cosine``: half a period of a cosine, to 0 (Loshchilov & Hutter 2016, arXiv:1608.03983, eq. 5)
    """

    CONSTANT = "constant"
    STEP = "step"
    COSINE = "cosine"


MILESTONES = (0.5, 0.75)
"""Of He et al. 2015, sec. 4.2, as fractions of the run."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate of ``steps`` steps, whose highest is ``peak``.

    The first ``warmup`` steps rise in proportion to their number, to ``peak`` at the last of them (Goyal et al. 2017,
    arXiv:1706.02677, sec. 2.2). ``milestones`` are fractions of the run, at each of which the rate of ``step`` is
    multiplied by ``factor``.
    """

    peak: float
    steps: int
    decay: Decay = Decay.COSINE
    warmup: int = 0
    milestones: tuple[float, ...] = MILESTONES
    factor: float = 0.1

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        match self.decay:
            case Decay.CONSTANT:
                return self.peak
            case Decay.STEP:
                passed = sum(step >= fraction * self.steps for fraction in self.milestones)
                return self.peak * self.factor**passed
            case Decay.COSINE:
                done = (step - self.warmup) / max(1, self.steps - self.warmup)
                return self.peak * (1 + math.cos(math.pi * done)) / 2
