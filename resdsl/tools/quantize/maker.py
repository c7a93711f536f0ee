"""Make the candidates for a quantized model."""

from __future__ import annotations

import dataclasses
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from resdsl.diagnostics.errors import RunError
from resdsl.onnx.channel_factors import scalable_values, scale_channels
from resdsl.onnx.float_layers import keep_floats
from resdsl.onnx.qdq import QdqModel
from resdsl.tools.quantize.calibration import Array, CalibrationImages, Counter, spread
from resdsl.tools.quantize.candidates import FITTED, Candidate, Recipe
from resdsl.tools.quantize.channel_ranges import channel_factors, channel_ranges
from resdsl.tools.quantize.fit import MOST_IMAGES, BudgetExceededError, FitOptions, fit_weights
from resdsl.tools.quantize.kernels import depthwise_layers, layers_beyond
from resdsl.tools.quantize.quantizer import Settings, quantize_file
from resdsl.tools.quantize.ranges import Range, value_ranges

_LIMITS = {False: 127, True: 63}

_Key = tuple[str, tuple[str, ...], bool]


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
    _bases: dict[_Key, Path] = field(default_factory=dict)
    _ranges: dict[str, Range] = field(default_factory=dict)
    _factors: dict[str, Array] = field(default_factory=dict)
    _sources: dict[Path, Path] = field(default_factory=dict)

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
                self._quantize(self.model, settings, file, _key(recipe, settings))
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

    def _quantize(self, model: Path, settings: Settings, file: Path, key: _Key) -> None:
        """ONNX Runtime's own quantization."""
        feeds = self._counted(settings.most_images)
        first = next(feeds, None)
        if first is None:
            raise self.images.too_few()
        quantize_file(model, file, chain([first], feeds), settings)
        if settings.method == "minmax" and not settings.reduce_range:
            self._bases[key] = Path(shutil.copy(file, file.with_suffix(".base")))

    def _fit(self, recipe: Recipe, settings: Settings, file: Path, deadline: float) -> tuple[str, ...]:
        key = _key(recipe, settings)
        source = self.model
        if recipe.ranges == "channels":
            source, products = self._scaled(settings.keep)
            self._sources[file] = source
            settings = dataclasses.replace(settings, keep=(*settings.keep, *products))
        model = QdqModel(source, self._base(source, settings, key))
        if recipe.ranges == "percentile":
            if missing := model.ranges.keys() - self._ranges.keys():
                self._ranges |= value_ranges(source, missing, self._calibration)
            model.set_ranges(self._ranges)
        model.clip_ranges()
        options = FitOptions(recipe.method == "gptq", self.target == "any", _LIMITS[settings.reduce_range])
        feeds = self.images.spread(MOST_IMAGES)
        share = len(feeds) / max(len(model.units), 1)
        fit_weights(model, feeds, options, deadline=deadline, step=lambda: self.counter.advance(share))
        model.save(file)
        return layers_beyond(model)

    def _base(self, model: Path, settings: Settings, key: _Key) -> Path:
        """The file whose numbers are fitted: ONNX Runtime's, from the most recent run with these operators."""
        if key not in self._bases:
            file = self.folder / f"base-{self._made}.onnx"
            self._quantize(model, dataclasses.replace(settings, reduce_range=False), file, key)
        return self._bases[key]

    def _scaled(self, keep: Sequence[str]) -> tuple[Path, list[str]]:
        """The model with factors for its channels, and the products that it has for them."""
        names = scalable_values(self.model)
        if names and not self._factors:
            ranges = channel_ranges(self.model, names, self._calibration())
            self._factors = {name: channel_factors(*both) for name, both in ranges.items()}
        file = self.folder / f"scaled-{self._made}.onnx"
        return file, scale_channels(self.model, file, self._factors, keep)

    def source(self, file: Path) -> Path:
        """The model in floating point with the values of a candidate's file: divided by factors where it has them."""
        return self._sources.get(file, self.model)

    def scalable(self) -> bool:
        """Whether channels of the model can have ranges of their own."""
        return bool(scalable_values(self.model))

    def depthwise(self) -> tuple[str, ...]:
        """The depthwise layers that are quantized."""
        base = next(iter(self._bases.values()), None)
        return () if base is None else depthwise_layers(QdqModel(self.model, base))

    def _calibration(self) -> Iterator[dict[str, Array]]:
        return self.images.feeds(self.images.calibration)

    def _counted(self, most: int | None) -> Iterator[dict[str, Array]]:
        self.calibrated = 0
        items = self.images.calibration
        if most is not None:
            items = spread(items, most)
        for feeds in self.images.feeds(items):
            yield feeds
            self.calibrated += 1
            self.counter.advance()


def _key(recipe: Recipe, settings: Settings) -> _Key:
    """What decides the operators of the model that the quantizer writes."""
    return settings.operators, settings.keep, recipe.ranges == "channels"
