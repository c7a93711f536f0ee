"""Top-1 and top-5 accuracy and the confusion matrix of a classifier."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from resdsl.runtime.batching import run_images
from resdsl.runtime.classifier import Array, Classifier
from resdsl.runtime.ground_truth import LabelledImage
from resdsl.runtime.item import Item
from resdsl.runtime.results import Failure

_NORMAL_95 = 1.959963984540054  # the 97.5 % quantile of the standard normal distribution
_TOP = 5


@dataclass(frozen=True, slots=True)
class Score:
    """``hits`` of ``images`` are correct."""

    hits: int
    images: int

    @property
    def accuracy(self) -> float:
        return self.hits / self.images if self.images else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the accuracy (Wilson 1927, score interval)."""
        if not self.images:
            return 0.0, 1.0
        n, z = self.images, _NORMAL_95
        middle = (self.accuracy + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(self.accuracy * (1 - self.accuracy) / n + z * z / (4 * n * n))
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Confusion:
    """The number of images of class ``label`` that were predicted as ``predicted`` (class indices)."""

    label: int
    predicted: int
    count: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The accuracy of a model on labelled images.

    ``top5`` is ``None`` for a model of at most five classes. ``counts`` is the confusion matrix: pairs of label and
    predicted class, by index. ``failed`` images could not be read or run, and are not in any other number. ``files``
    are those that the evaluation is of: the model, and the labels if they are in a file.
    """

    top1: Score
    top5: Score | None
    counts: Mapping[tuple[int, int], int]
    labels: tuple[str, ...]
    failed: int
    files: tuple[Path, ...] = field(default=(), repr=False, compare=False)

    @property
    def images(self) -> int:
        """The number of images that were classified."""
        return self.top1.images

    def classes(self) -> dict[int, Score]:
        """Top-1 of each class that has images, the worst first; ties by more images, then by index."""
        images: Counter[int] = Counter()
        for (label, _), count in self.counts.items():
            images[label] += count
        scores = {label: Score(self.counts.get((label, label), 0), number) for label, number in images.items()}
        return dict(sorted(scores.items(), key=lambda one: (one[1].accuracy, -one[1].images, one[0])))

    def confusions(self) -> list[Confusion]:
        """The misclassifications, the most frequent first."""
        wrong = [Confusion(*pair, count) for pair, count in self.counts.items() if pair[0] != pair[1]]
        return sorted(wrong, key=lambda one: (-one.count, one.label, one.predicted))

    def name(self, index: int) -> str:
        """The label of a class."""
        return self.labels[index] if index < len(self.labels) else f"class {index}"


def score(
    classifier: Classifier,
    images: Iterable[LabelledImage],
    *,
    batch_size: int = 8,
    readers: int | None = None,
    each: Callable[[Failure | None, int], None] = lambda _failure, _done: None,
) -> Evaluation:
    """Classify labelled images and count the correct results.

    ``each`` gets the failure of each image, if any, and the number of images so far. Memory does not grow with the
    number of images. Raises ``UnavailableError`` if the device fails.
    """
    labels: deque[int] = deque()
    counts: Counter[tuple[int, int]] = Counter()
    hits = failed = done = 0
    classes = 0

    def items() -> Iterator[Item]:
        for item, label in images:
            labels.append(label)
            yield item

    with closing(run_images(classifier, items(), batch_size=batch_size, readers=readers)) as answers:
        for done, answer in enumerate(answers, 1):
            values, label = answer.values, labels.popleft()
            if isinstance(values, Failure):
                failed += 1
                each(values, done)
                continue
            classes = len(values)
            counts[label, int(np.argmax(values))] += 1
            hits += _is_in_top_5(values, label)
            each(None, done)
    classified = done - failed
    correct = sum(count for (label, predicted), count in counts.items() if label == predicted)
    top1 = Score(correct, classified)
    top5 = Score(hits, classified) if classes > _TOP else None
    return Evaluation(top1, top5, dict(counts), tuple(classifier.labels), failed)


def _is_in_top_5(values: Array, label: int) -> bool:
    """Whether fewer than five classes rank above this one; ties rank by index."""
    if label >= len(values):
        return False
    value = values[label]
    before = int(np.count_nonzero(values > value)) + int(np.count_nonzero(values[:label] == value))
    return before < _TOP
