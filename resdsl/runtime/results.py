"""The result for one image: its classes, its features, or why there are none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, assert_never

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True)
class Ranked:
    """A class and its probability. ``label`` is ``None`` if the model has no labels."""

    index: int
    probability: float
    label: str | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """The classes of one image, the most probable first.

    ``device`` ran the model. ``seconds`` is the image's share of the time that its batch took on the device, without
    reading and preprocessing. Probabilities are the mean over ``views`` of the image (crops or scales).
    """

    image: str
    classes: tuple[Ranked, ...]
    device: str
    seconds: float
    views: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The values of one output of the model for one image, without the batch dimension: ``[2048]``.

    They are the mean over ``views`` of the image; ``device`` and ``seconds`` are as in ``Prediction``.
    """

    image: str
    output: str
    values: npt.NDArray[np.floating[Any]]
    device: str
    seconds: float
    views: int = 1


Pool = Literal["none", "avg", "max"]
"""How maps of features, ``[channels, height, width]``, become one value for each channel."""


@dataclass(frozen=True, slots=True)
class FeatureType:
    """What the ``Features`` of a model are, as far as it states that.

    ``shape`` is that of one image's values, after ``pool``; a size is ``None`` if it depends on the image.
    """

    output: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    pool: Pool = "none"

    @property
    def size(self) -> int | None:
        """The number of values of one image, ``None`` if it depends on the image."""
        known = [size for size in self.shape if size is not None]
        return math.prod(known) if len(known) == len(self.shape) else None


@dataclass(frozen=True, slots=True)
class Failure:
    """An image that could not be read or run, and why."""

    image: str
    diagnostic: Diagnostic


Result = Prediction | Features | Failure


def result_data(result: Result) -> dict[str, object]:
    """A result as one line of JSON has it: ``image``, and ``classes``, or ``output`` and ``features``, or ``error``.

    It holds neither device nor times, so the same images give the same lines on every machine.
    """
    match result:
        case Prediction():
            classes = [
                {"index": ranked.index, "label": ranked.label, "probability": ranked.probability}
                for ranked in result.classes
            ]
            return {"image": result.image, "classes": classes}
        case Features():
            return {"image": result.image, "output": result.output, "features": result.values.tolist()}
        case Failure():
            diagnostic = result.diagnostic
            return {"image": result.image, "error": {"code": diagnostic.code.id, "message": diagnostic.message}}
        case _:
            assert_never(result)
