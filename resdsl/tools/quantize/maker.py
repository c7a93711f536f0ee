"""Make the candidates for a quantized model."""

from __future__ import annotations

import dataclasses
import math
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from resdsl.diagnostics.errors import RunError
from resdsl.onnx.float_layers import keep_floats
from resdsl.onnx.qdq import QdqModel
from resdsl.tools.quantize.calibration import Array, CalibrationImages, Counter
from resdsl.tools.quantize.candidates import FITTED, Candidate, Recipe
from resdsl.tools.quantize.fit import MOST_IMAGES, BudgetExceededError, FitOptions, fit_weights
from resdsl.tools.quantize.kernels import depthwise_layers, layers_beyond
from resdsl.tools.quantize.quantizer import Settings, quantize_file
from resdsl.tools.quantize.ranges import Range, value_ranges

_LIMITS = {False: 127, True: 63}


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
    _made: int = 0
    _bases: dict[tuple[str, tuple[str, ...]], Path] = field(default_factory=dict)
    _ranges: dict[str, Range] = field(default_factory=dict)

    def make(self, recipe: Recipe, settings: Settings, *, limited: bool) -> tuple[Candidate, Path]:
        """The candidate and its file. ``limited``: not after the deadline, which ``problem`` then says."""
        start = time.perf_counter()
        self._made += 1
        file = self.folder / f"{self._made}.onnx"
        settings = dataclasses.replace(
            settings,
            method="minmax" if recipe.method in FITTED else recipe.method,
            reduce_range=recipe.reduce_range,
            keep=(*settings.keep, *recipe.keep),
            operators=recipe.operators,
        )
        deadline = self.deadline if limited else math.inf
        problem, saturating = "", tuple[str, ...]()
        try:
            if start > deadline:
                raise BudgetExceededError
            if recipe.method in FITTED:
                saturating = self._fit(recipe, settings, file, deadline)
            else:
                self._quantize(settings, file)
                with suppress(ValueError):
                    saturating = layers_beyond(QdqModel(self.model, file))
            keep_floats(file)
        except BudgetExceededError:
            problem = "not finished within the budget"
        except (RunError, ValueError) as error:
            if recipe.method not in FITTED:
                raise
            problem = error.diagnostic.message if isinstance(error, RunError) else str(error)
        return Candidate(recipe, time.perf_counter() - start, saturating, problem=problem), file

    def _quantize(self, settings: Settings, file: Path) -> None:
        """ONNX Runtime's own quantization."""
        feeds = self._counted(settings.most_images)
        first = next(feeds, None)
        if first is None:
            raise self.images.too_few()
        quantize_file(self.model, file, chain([first], feeds), settings)
        if settings.method == "minmax" and not settings.reduce_range:
            self._bases[settings.operators, settings.keep] = Path(shutil.copy(file, file.with_suffix(".base")))

    def _fit(self, recipe: Recipe, settings: Settings, file: Path, deadline: float) -> tuple[str, ...]:
        model = QdqModel(self.model, self._base(recipe, settings))
        if recipe.ranges == "percentile":
            if missing := model.ranges.keys() - self._ranges.keys():
                self._ranges |= value_ranges(self.model, missing, self._calibration)
            model.set_ranges(self._ranges)
        model.clip_ranges()
        options = FitOptions(recipe.method == "gptq", self.target == "any", _LIMITS[settings.reduce_range])
        feeds = self.images.spread(MOST_IMAGES)
        share = len(feeds) / max(len(model.units), 1)
        fit_weights(model, feeds, options, deadline=deadline, step=lambda: self.counter.advance(share))
        model.save(file)
        return layers_beyond(model)

    def _base(self, recipe: Recipe, settings: Settings) -> Path:
        """The file whose numbers are fitted: ONNX Runtime's, from the most recent run with these operators."""
        key = settings.operators, settings.keep
        if key not in self._bases:
            file = self.folder / f"base-{self._made}.onnx"
            self._quantize(dataclasses.replace(settings, reduce_range=False), file)
        return self._bases[key]

    def depthwise(self) -> tuple[str, ...]:
        """The depthwise layers that are quantized."""
        base = next(iter(self._bases.values()), None)
        return () if base is None else depthwise_layers(QdqModel(self.model, base))

    def _calibration(self) -> Iterator[dict[str, Array]]:
        return self.images.feeds(self.images.calibration)

    def _counted(self, most: int | None) -> Iterator[dict[str, Array]]:
        self.calibrated = 0
        items = self.images.calibration
        if most is not None and len(items) > most:
            items = [items[index * len(items) // most] for index in range(most)]
        for feeds in self.images.feeds(items):
            yield feeds
            self.calibrated += 1
            self.counter.advance()
