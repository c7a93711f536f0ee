"""What becomes of one image: its classes, its features, or why there are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from resdsl.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True)
class Ranked:
    """A class and its probability; ``label`` is its name, if the model tells names."""

    index: int
    probability: float
    label: str | None


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was seen in one image, the most probable class first.

    ``device`` ran the model; ``seconds`` is the image's share of the time that its batch took there, reading and
    preparing the image not counted. The probabilities are the mean over ``views`` of the image: its crops or scales.
    """

    image: str
    classes: tuple[Ranked, ...]
    device: str
    seconds: float
    views: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """The values of one output of the model for one image, without the dimension of the batch: ``[2048]``.

    They are the mean over ``views`` of the image; ``device`` and ``seconds`` are as in ``Prediction``.
    """

    image: str
    output: str
    values: npt.NDArray[np.floating[Any]]
    device: str
    seconds: float
    views: int = 1


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is nothing for one image."""

    image: str
    diagnostic: Diagnostic


Row = Prediction | Features | Failure


def row_data(row: Row) -> dict[str, object]:
    """A row as a line of JSON has it: ``image``, and ``classes``, or ``output`` and ``features``, or ``error``.

    Nothing in it depends on the machine or the hour, so that the same images give the same lines.
    """
    match row:
        case Prediction():
            ranked = [{"index": one.index, "label": one.label, "probability": one.probability} for one in row.classes]
            return {"image": row.image, "classes": ranked}
        case Features():
            return {"image": row.image, "output": row.output, "features": row.values.tolist()}
        case Failure():
            found = row.diagnostic
            return {"image": row.image, "error": {"code": found.code.id, "message": found.message}}
        case _:
            assert_never(row)
