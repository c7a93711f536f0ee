"""The images of a quantization: for calibration, and held out for the comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import CompileError, Diagnostics, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.runtime.classifier import Classifier
from resdsl.runtime.images import MAX_PIXELS
from resdsl.runtime.item import Item

Array = npt.NDArray[Any]
T = TypeVar("T")

Progress = Callable[[int, int | None], None]
"""Called with the number of images done and the total."""


class CalibrationImages:
    """Images as inputs of the model. They are read again for each use, so memory does not depend on their number."""

    def __init__(self, classifier: Classifier, items: Sequence[Item], most: int, held_back: float) -> None:
        """Raises ``RunError`` for fewer than two images."""
        self._classifier = classifier
        self.calibration, self.held_back = _split(items, most, held_back)
        self.problems = Diagnostics()
        self._unreadable: set[int] = set()

    def feeds(self, items: Sequence[Item]) -> Iterator[dict[str, Array]]:
        """Each image as an input of the model; images that cannot be read are reported once."""
        for item in items:
            if id(item) in self._unreadable:
                continue
            try:
                (array,) = self._classifier.read(item)
            except UnavailableError:
                raise
            except RunError as error:
                self._unreadable.add(id(item))
                self.problems.report(error.diagnostic)
                continue
            # A fixed batch size is filled with the same image.
            yield {self._classifier.input.name: np.stack([array] * self._classifier.batch_size(1))}

    def spread(self, count: int) -> list[dict[str, Array]]:
        """At most ``count`` calibration images, spread over all."""
        items = [item for item in self.calibration if id(item) not in self._unreadable]
        return list(self.feeds(spread(items, count)))

    def too_few(self) -> CompileError | RunError:
        """The error for too few images that can be read."""
        return _too_few(len(self.calibration) + len(self.held_back), self.problems)


class Counter:
    """Counts the images that are done."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0.0

    def advance(self, images: float = 1) -> None:
        self._done = min(self._done + images, self._total)
        if self._progress is not None:
            self._progress(int(self._done), self._total)


def spread(items: Sequence[T], count: int) -> list[T]:
    """``count`` of the items, one at a random place in each of as many equal parts; all if there are no more.

    The order of files often has a period, such as a few views of each scene. Evenly spaced items can have the same one,
    and would then be of one kind only. The places are the same in each run.
    """
    if len(items) <= count:
        return list(items)
    random = np.random.default_rng(0)
    starts = [index * len(items) // count for index in range(count + 1)]
    return [items[int(random.integers(start, end))] for start, end in pairwise(starts)]


def _split(items: Sequence[Item], most: int, held_back: float) -> tuple[list[Item], list[Item]]:
    """Calibration images and held-out images, which are spread over all."""
    items = spread(items, most)
    if len(items) < 2:
        for item in items:
            item.load(MAX_PIXELS)  # the item of a missing folder raises the reason
        raise _too_few(len(items), Diagnostics())
    step = max(round(1 / held_back), 2)
    held_out = spread(items, max(len(items) // step, 1))
    held_ids = {id(item) for item in held_out}
    return [item for item in items if id(item) not in held_ids], held_out


def _too_few(count: int, problems: Diagnostics) -> CompileError | RunError:
    """The error for too few images: the diagnostics of those that could not be read, if any."""
    if problems.errors:
        return CompileError(problems)
    return RunError.of(
        catalogue.CALIBRATION,
        f"calibration needs at least 2 images, one of them to compare with the original, and there"
        f" {'is' if count == 1 else 'are'} {count}",
        helps=("pass a folder with about a hundred images like those that the model will process",),
    )
