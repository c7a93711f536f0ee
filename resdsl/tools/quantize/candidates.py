"""The candidates for a quantized model, and the choice between them by measurement on held-out images."""

from __future__ import annotations

import dataclasses
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from resdsl.diagnostics.errors import RunError
from resdsl.onnx.float_layers import keep_floats
from resdsl.onnx.qdq import QdqModel
from resdsl.tools.quantize.agreement import Agreement
from resdsl.tools.quantize.calibration import Array, CalibrationImages, Counter
from resdsl.tools.quantize.fit import MOST_IMAGES, BudgetExceededError, FitOptions, fit_weights
from resdsl.tools.quantize.kernels import layers_beyond
from resdsl.tools.quantize.quantizer import RANGES, Settings, quantize_file

METHODS = ("best", "nearest", "gptq", *RANGES)
"""How weights and ranges are chosen. ``best`` measures ``minmax``, ``nearest`` and ``gptq`` and keeps the best."""

TARGETS = ("any", "vnni")
"""The CPUs that a model is for: any, or those with VNNI or AMX, which add products in 32 bits."""

_LIMITS = {False: 127, True: 63}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A quantized model that was tried, or why it could not be made (``problem``).

    ``saturating`` are the layers in which the sum of two products can leave 16 bits. ``agreement`` is that of the first
    output on the held-out images, computed as by the CPUs the model is for.
    """

    method: str
    reduce_range: bool
    seconds: float
    saturating: tuple[str, ...] = ()
    agreement: Agreement | None = None
    chosen: bool = False
    problem: str = ""

    @property
    def name(self) -> str:
        return f"{self.method}, 7-bit weights" if self.reduce_range else self.method

    @property
    def score(self) -> float:
        """The mean cosine, after subtracting the mean over images if there are several."""
        if self.agreement is None:
            return float("-inf")
        score = self.agreement.centred
        score = self.agreement.mean_cosine if score is None else score
        return float("-inf") if math.isnan(score) else score


@dataclass(slots=True)
class Maker:
    """Makes the candidates of one model in ``folder``. ``calibrated`` is the number of images that ranges are from."""

    model: Path
    folder: Path
    images: CalibrationImages
    counter: Counter
    target: str
    deadline: float
    calibrated: int = 0

    def candidates(self, method: str, settings: Settings) -> Iterator[tuple[Candidate, Path]]:
        """The candidates for ``method``: one, or for ``best`` several, as far as the budget of time reaches."""
        if method in RANGES:
            candidate, file = self._quantized(settings)
            keep_floats(file)
            yield candidate, file
            return
        base, file = self._quantized(dataclasses.replace(settings, method="minmax"))
        names = ("nearest", "gptq") if method == "best" else (method,)
        plain = Path(shutil.copy(file, self.folder / "plain.onnx"))
        keep_floats(plain)
        if method == "best":
            yield base, plain
        done = False
        for name in names:
            candidate = self._fitted(name, file, settings, limited=done or method == "best")
            done = done or not candidate.problem
            yield candidate, self.folder / f"{name}.onnx"
        if not done:
            if method != "best":
                yield base, plain
            if base.saturating and not settings.reduce_range:
                candidate, file = self._quantized(dataclasses.replace(settings, method="minmax", reduce_range=True))
                keep_floats(file)
                yield candidate, file

    def _quantized(self, settings: Settings) -> tuple[Candidate, Path]:
        start = time.perf_counter()
        file = self.folder / f"{settings.method}{'-7' * settings.reduce_range}.onnx"
        feeds = self._counted(settings.most_images)
        first = next(feeds, None)
        if first is None:
            raise self.images.too_few()
        quantize_file(self.model, file, chain([first], feeds), settings)
        try:
            saturating = layers_beyond(QdqModel(self.model, file))
        except ValueError:
            saturating = ()
        return Candidate(settings.method, settings.reduce_range, time.perf_counter() - start, saturating), file

    def _fitted(self, name: str, file: Path, settings: Settings, *, limited: bool) -> Candidate:
        start = time.perf_counter()
        options = FitOptions(name == "gptq", self.target == "any", _LIMITS[settings.reduce_range])
        feeds = self.images.spread(MOST_IMAGES)
        problem = ""
        saturating: tuple[str, ...] = ()
        try:
            model = QdqModel(self.model, file)
            share = len(feeds) / max(len(model.units), 1)
            deadline = self.deadline if limited else None
            fit_weights(model, feeds, options, deadline=deadline, step=lambda: self.counter.advance(share))
            model.save(self.folder / f"{name}.onnx")
            keep_floats(self.folder / f"{name}.onnx")
            saturating = layers_beyond(model)
        except BudgetExceededError:
            problem = "not finished within the budget"
        except (RunError, ValueError) as error:
            problem = error.diagnostic.message if isinstance(error, RunError) else str(error)
        seconds = time.perf_counter() - start
        return Candidate(name, settings.reduce_range, seconds, saturating, problem=problem)

    def _counted(self, most: int | None) -> Iterator[dict[str, Array]]:
        self.calibrated = 0
        items = self.images.calibration
        if most is not None and len(items) > most:
            items = [items[index * len(items) // most] for index in range(most)]
        for feeds in self.images.feeds(items):
            yield feeds
            self.calibrated += 1
            self.counter.advance()


def choose(candidates: list[Candidate], target: str, saturates: Callable[[], bool]) -> int:
    """The index of the best candidate by its score.

    A candidate with sums that can leave 16 bits is measured on this CPU. If its kernels do not saturate, that does not
    hold for others, so for any CPU only the other candidates are compared.
    """
    usable = [index for index, candidate in enumerate(candidates) if candidate.agreement is not None]
    if target == "any" and any(candidates[index].saturating for index in usable) and not saturates():
        usable = [index for index in usable if not candidates[index].saturating] or usable
    return max(usable, key=lambda index: candidates[index].score)
