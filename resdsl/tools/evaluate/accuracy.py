"""How often a model is right."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from resdsl.runtime.network import Array, Network
from resdsl.runtime.predict import answers
from resdsl.runtime.rows import Failure
from resdsl.runtime.sources import Item
from resdsl.tools.evaluate.ground_truth import Truth

_NORMAL_95 = 1.959963984540054  # 97.5 % of a standard normal distribution lie below
_TOP = 5


@dataclass(frozen=True, slots=True)
class Score:
    """``hits`` of ``images``."""

    hits: int
    images: int

    @property
    def share(self) -> float:
        return self.hits / self.images if self.images else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Between which two the true share lies with 95 % confidence (Wilson 1927, score interval)."""
        if not self.images:
            return 0.0, 1.0
        n, z = self.images, _NORMAL_95
        middle = (self.share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(self.share * (1 - self.share) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Confusion:
    """How often images of the class ``truth`` were taken for ``seen``, by index."""

    truth: int
    seen: int
    count: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model made of images whose classes are known.

    ``top5`` is ``None`` for a model of no more than five classes. ``counts`` says how often which class (the first of a
    pair of indices) was taken for which. ``failed`` images could not be seen and count nowhere else.
    """

    top1: Score
    top5: Score | None
    counts: Mapping[tuple[int, int], int]
    labels: tuple[str, ...]
    failed: int

    @property
    def images(self) -> int:
        """How many were seen."""
        return self.top1.images

    def classes(self) -> dict[int, Score]:
        """Top-1 of each class that images show, the worst first; of equal ones those of more images, then by index."""
        images: Counter[int] = Counter()
        for (truth, _), count in self.counts.items():
            images[truth] += count
        scores = {truth: Score(self.counts.get((truth, truth), 0), number) for truth, number in images.items()}
        return dict(sorted(scores.items(), key=lambda one: (one[1].share, -one[1].images, one[0])))

    def confusions(self) -> list[Confusion]:
        """The mistakes, the most frequent first."""
        wrong = [Confusion(*pair, count) for pair, count in self.counts.items() if pair[0] != pair[1]]
        return sorted(wrong, key=lambda one: (-one.count, one.truth, one.seen))

    def name(self, index: int) -> str:
        """What a class is called."""
        return self.labels[index] if index < len(self.labels) else f"class {index}"


def evaluate(
    network: Network,
    truths: Iterable[Truth],
    *,
    batch_size: int = 8,
    readers: int | None = None,
    each: Callable[[Failure | None, int], None] = lambda _failure, _done: None,
) -> Evaluation:
    """Compare what the model sees in images with what they show.

    ``each`` is told of every image whether it failed, and how many are done. The memory does not grow with the number
    of images. Raises ``UnavailableError`` where the device fails.
    """
    expected: deque[int] = deque()
    counts: Counter[tuple[int, int]] = Counter()
    hits = failed = done = 0
    classes = 0

    def items() -> Iterator[Item]:
        for item, truth in truths:
            expected.append(truth)
            yield item

    with closing(answers(network, items(), batch_size=batch_size, readers=readers)) as found:
        for done, (_, values, _seconds) in enumerate(found, 1):
            truth = expected.popleft()
            if isinstance(values, Failure):
                failed += 1
                each(values, done)
                continue
            classes = len(values)
            counts[truth, int(np.argmax(values))] += 1
            hits += _is_among_first(values, truth)
            each(None, done)
    seen = done - failed
    top1 = Score(sum(count for (truth, guess), count in counts.items() if truth == guess), seen)
    top5 = Score(hits, seen) if classes > _TOP else None
    return Evaluation(top1, top5, dict(counts), tuple(network.labels), failed)


def _is_among_first(values: Array, truth: int) -> bool:
    """Whether fewer than five classes come before this one; of equal ones, those of lower index do."""
    if truth >= len(values):
        return False
    value = values[truth]
    before = int(np.count_nonzero(values > value)) + int(np.count_nonzero(values[:truth] == value))
    return before < _TOP
