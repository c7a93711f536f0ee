"""Quantize a model to int8, and measure how far it is from the original."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy.typing as npt

from resdsl.compiler.models import Build, model_files
from resdsl.compiler.options import CompileOptions
from resdsl.diagnostics import Diagnostics, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.diagnostics.suggest import closest
from resdsl.files import scratch_folder
from resdsl.inputs import as_one_run, record_output
from resdsl.ir import metadata
from resdsl.onnx.outline import Outline, Value
from resdsl.onnx.qdq import QdqModel, prepare
from resdsl.onnx.replace_metadata import replace_metadata
from resdsl.runtime.classifier import Classifier
from resdsl.runtime.files import ModelFile
from resdsl.runtime.item import Item
from resdsl.runtime.session import Session, open_session
from resdsl.runtime.sources import Source, items_of
from resdsl.tools.quantize.agreement import Agreement, Layer
from resdsl.tools.quantize.calibration import CalibrationImages, Counter, Progress
from resdsl.tools.quantize.candidates import FITTED, FITTED_RANGES, METHODS, TARGETS, Candidate, Recipe
from resdsl.tools.quantize.fit import MOST_IMAGES
from resdsl.tools.quantize.float_model import LAYERS, can_be_folded, float_outline, layer_name, matches
from resdsl.tools.quantize.kernels import KernelError, kernel_errors, kernels_saturate
from resdsl.tools.quantize.maker import Maker
from resdsl.tools.quantize.measurement import as_written, compare_outputs, compare_values, observable
from resdsl.tools.quantize.quantizer import OPERATORS, Settings, fold_file
from resdsl.tools.quantize.search import choose, keepable, recipes
from resdsl.tools.quantize.speed import gain

Array = npt.NDArray[Any]

_IMAGES_FOR_KERNELS = 2
_FLOAT = frozenset({"Softmax", "ConvTranspose"})


@dataclass(frozen=True, slots=True)
class Quantization:
    """How a model is quantized.

    Layers whose names match a pattern of ``keep`` (``layer1.*``) stay in floating point, and the ``keep_worst`` layers
    that add the most noise. At most ``images`` images are used, spread over all; the fraction ``held_back`` of
    them is held out for the report.

    ``method`` is ``best`` (measure several on the held-out images and keep the best), ``nearest`` or ``gptq`` (fitted
    weights), or one of ONNX Runtime's ways to choose ranges: ``minmax``, ``entropy``, ``percentile``. ``ranges`` are
    those of activations with fitted weights: ``minmax``, ``percentile`` without the outermost values, or ``channels``,
    of single channels where a factor for each can stand between layers (``channel_factors``). ``operators``
    is ``all`` or ``layers``: only convolutions and linear layers compute in int8. ``target`` is ``any``, which keeps
    sums of two products within 16 bits, or ``vnni``. ``budget`` limits the seconds in which ``best`` looks for
    candidates; the first is always made. ``reduce_range`` limits weights to 7 bits.
    """

    keep: Sequence[str] = ()
    keep_worst: int = 0
    images: int = 500
    held_back: float = 0.2
    method: str = "best"
    reduce_range: bool = False
    target: str = "any"
    budget: float = 600
    ranges: str = "minmax"
    operators: str = "all"

    def __post_init__(self) -> None:
        if not 0 < self.held_back <= 0.5:  # NaN too
            raise ValueError("`held_back` must be greater than 0 and at most 0.5")
        if self.method not in METHODS:
            raise ValueError(f"`method` must be one of {', '.join(METHODS)}")
        if self.ranges not in FITTED_RANGES:
            raise ValueError(f"`ranges` must be one of {', '.join(FITTED_RANGES)}")
        if self.operators not in OPERATORS:
            raise ValueError(f"`operators` must be one of {', '.join(OPERATORS)}")
        if self.target not in TARGETS:
            raise ValueError(f"`target` must be one of {', '.join(TARGETS)}")
        if not self.budget >= 0:
            raise ValueError("`budget` must be at least 0")


@dataclass(frozen=True, slots=True)
class Quantized:
    """A quantized model. ``before`` and ``bytes`` are the file sizes, ``calibrated`` the number of calibration images.

    ``layers`` are sorted by error, the largest first. ``outputs`` are compared as this CPU's kernels compute them and
    ``as_written`` with the graph run operator by operator: the error of quantization alone. ``gain`` is how many times
    as fast as the original the model is on this CPU: CPU time of one thread. ``candidates`` are the models that were
    tried; ``saturating`` are the layers of the chosen one in which the sum of two products can leave
    16 bits. ``folded``: the model had batch norms, which were folded first. ``problems`` are the diagnostics of images
    that could not be read.
    """

    path: Path
    before: int
    bytes: int
    seconds: float
    calibrated: int
    target: str
    candidates: tuple[Candidate, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[Agreement, ...]
    as_written: tuple[Agreement, ...]
    folded: bool
    problems: Diagnostics = field(compare=False)

    @property
    def chosen(self) -> Candidate:
        return next(candidate for candidate in self.candidates if candidate.chosen)

    @property
    def saturating(self) -> tuple[str, ...]:
        return self.chosen.saturating

    @property
    def gain(self) -> float:
        return self.chosen.gain or 0.0


@as_one_run
def quantize(
    model: str | os.PathLike[str],
    calibrate: Source | Iterable[Source],
    output: str | os.PathLike[str],
    *,
    how: Quantization | None = None,
    build: Build | None = None,
    progress: Progress | None = None,
) -> Quantized:
    """Write ``model`` with int8 weights and activations to ``output``, whole or not at all.

    ``model`` is an ONNX file or a specification, which is compiled with ``build``; batch norms are folded first.
    ``calibrate`` are images as for ``resdsl.predict``: a folder, files, arrays; they are preprocessed for the model.
    Images that cannot be read are left out and reported in ``problems``.

    Raises ``CompileError`` for a specification with errors or if the file cannot be written, ``RunError`` for a model
    that cannot be quantized, for too few images, and for a pattern that matches no layer.
    """
    record_output(Path(output))
    start = time.perf_counter()
    how = how or Quantization()
    source = os.fspath(model)
    with (
        model_files([(source, build or Build(CompileOptions(optimize=2)))]) as (original,),
        scratch_folder() as folder,
    ):
        work = _Quantizer(original, folder, how, list(items_of(calibrate)), progress, start + how.budget)
        settings = work.settings()
        if how.keep_worst:
            method = "nearest" if how.method == "best" else how.method
            work.attempt(dataclasses.replace(work.recipe, method=method), settings)
            worst = sorted((layer for layer in work.layers if not layer.kept), key=lambda layer: -layer.added)
            names = (layer.name for layer in worst[: how.keep_worst])
            settings = dataclasses.replace(settings, keep=(*settings.keep, *names))
        candidates = work.attempt(work.recipe, settings)
        written = replace_metadata(work.quantized, Path(output), work.metadata(candidates, settings))
        return Quantized(
            path=Path(output),
            before=work.before,
            bytes=written,
            seconds=time.perf_counter() - start,
            calibrated=work.calibrated,
            target=how.target,
            candidates=candidates,
            layers=work.layers,
            outputs=work.outputs,
            as_written=work.as_written,
            folded=work.folded,
            problems=work.problems,
        )


class _Quantizer:
    """The state of quantizing one model."""

    def __init__(
        self,
        original: ModelFile,
        folder: Path,
        how: Quantization,
        items: Sequence[Item],
        progress: Progress | None,
        deadline: float,
    ) -> None:
        self.quantized = folder
        self.layers: tuple[Layer, ...] = ()
        self.outputs: tuple[Agreement, ...] = ()
        self.as_written: tuple[Agreement, ...] = ()
        self._how = how
        self._original = original
        self._folder = folder
        outline = float_outline(original)
        self.before = original.file.stat().st_size + outline.beside
        self.folded = any(can_be_folded(value, outline) for value in outline.values.values())
        self._file = original.file
        if self.folded or any(value.op == "Constant" for value in outline.values.values()):
            # Weights may be results of constants, which become initializers.
            self._file = folder / "folded.onnx"
            fold_file(original.file, self._file)
        try:
            if prepare(self._file, folder / "prepared.onnx"):
                self._file = folder / "prepared.onnx"
        except ValueError as error:
            raise RunError.of(
                catalogue.CALIBRATION,
                f"`{original.name}` cannot be quantized: {error}",
                helps=("compile its specification without `--precision`",),
            ) from None
        self._outline = Outline(self._file)
        self._session = open_session(self._file, device="cpu", name=original.name)
        classifier = Classifier.of(self._session)
        classifier.require_preprocess()
        self._images = CalibrationImages(classifier, items, how.images, how.held_back)
        calibration, held_back = len(self._images.calibration), len(self._images.held_back)
        fits = {"best": 3, "nearest": 1, "gptq": 1}.get(how.method, 0)
        self._counter = Counter(progress, calibration + fits * min(calibration, MOST_IMAGES) + (fits + 2) * held_back)
        self._maker = Maker(self._file, folder, self._images, self._counter, how.target, deadline)

    @property
    def calibrated(self) -> int:
        return self._maker.calibrated

    @property
    def problems(self) -> Diagnostics:
        return self._images.problems

    def settings(self) -> Settings:
        """The settings: requested layers, softmax and embedded preprocessing stay in floating point.

        So do transposed convolutions, for which ONNX Runtime has no int8 kernel.
        """
        values = self._outline.values.values()
        kept = {
            layer_name(value) for value in self._layers() for pattern in self._patterns() if matches(value, pattern)
        }
        kept |= {value.node for value in values if value.op in _FLOAT or value.node.startswith("preprocess.")}
        return Settings(keep=tuple(sorted(kept)))

    @property
    def recipe(self) -> Recipe:
        """What is asked for."""
        how = self._how
        ranges = how.ranges if how.method in {"best", *FITTED} else "minmax"
        return Recipe(how.method, ranges, how.operators, reduce_range=how.reduce_range)

    def attempt(self, recipe: Recipe, settings: Settings) -> tuple[Candidate, ...]:
        """Make candidates as ``search.recipes`` says, measure each, choose the best and measure its layers."""
        candidates: list[Candidate] = []
        files: list[Path] = []
        gains: dict[tuple[object, ...], float] = {}

        def best() -> Candidate:
            return candidates[self._best(candidates)]

        def sets() -> Iterator[tuple[str, ...]]:
            index = self._best(candidates)
            noisiest = sorted(self._measured(files[index], kept=()), key=lambda layer: -layer.added)
            quantized = [layer.name for layer in noisiest if layer.name not in settings.keep]
            return keepable(self._maker.depthwise(), quantized)

        for one in recipes(recipe, candidates, best, sets, self._maker.scalable):
            limited = recipe.method == "best" and one.method in FITTED
            candidate, file = self._maker.make(one, settings, limited=limited)
            candidates.append(candidate if candidate.problem else self._measure(candidate, file, gains))
            files.append(file)
        index = self._best(candidates)
        candidates[index] = dataclasses.replace(candidates[index], chosen=True)
        self.quantized = files[index]
        (self.outputs,) = self._compare([self._open(self.quantized)])
        kept = {*settings.keep, *candidates[index].recipe.keep}
        self.layers = tuple(sorted(self._measured(self.quantized, kept), key=lambda layer: layer.decibels))
        return tuple(candidates)

    def _best(self, candidates: Sequence[Candidate]) -> int:
        return choose(candidates, self._how.target, kernels_saturate)

    def _measure(self, candidate: Candidate, file: Path, gains: dict[tuple[object, ...], float]) -> Candidate:
        """The candidate with its agreement with the original, and how much faster it is: once for each graph."""
        (outputs,) = self._compare([self._for_target(file)])
        graph = candidate.recipe.graph
        if graph not in gains:
            gains[graph] = gain(self._file, file, next(self._held_out()))
        return dataclasses.replace(candidate, agreement=outputs[0], gain=gains[graph])

    def _compare(self, sessions: Sequence[Session]) -> list[tuple[Agreement, ...]]:
        results = compare_outputs(self._session, sessions, self._held_out(), self._counter)
        if not results:
            raise self._images.too_few()
        return results

    def metadata(self, candidates: Sequence[Candidate], settings: Settings) -> dict[str, str]:
        """The metadata of the original, and how it was quantized."""
        chosen = next(candidate for candidate in candidates if candidate.chosen)
        names = {*settings.keep, *chosen.recipe.keep} & set(map(layer_name, self._layers()))
        how = {
            "method": chosen.method,
            "ranges": chosen.recipe.ranges,
            "operators": chosen.recipe.operators,
            "images": self.calibrated,
            "keep": sorted(names),
            "target": self._how.target,
        }
        return metadata.own_entries(self._session.metadata) | metadata.PRECISION.of("int8") | metadata.QUANTIZED.of(how)

    @property
    def _simulates(self) -> bool:
        """Whether this CPU's kernels saturate and those that the model is for do not."""
        return self._how.target == "vnni" and kernels_saturate()

    def _for_target(self, file: Path) -> Session:
        """A session that computes as the CPUs that the model is for."""
        return as_written(Outline(file).exposing(()), self._folder) if self._simulates else self._open(file)

    def _open(self, file: Path) -> Session:
        return open_session(file, device="cpu", name=f"{self._original.name} in int8")

    def _held_out(self) -> Iterator[dict[str, Array]]:
        return self._images.feeds(self._images.held_back)

    def _measured(self, file: Path, kept: Collection[str]) -> list[Layer]:
        """The error of each layer, and of its kernel."""
        source = self._maker.source(file)
        distances, self.as_written = compare_values(source, file, self._held_out(), self._counter)
        if not any(distance.signal for distance in distances.values()):
            raise self._images.too_few()
        kernels = self._kernels(file)
        layers = []
        for value in self._layers():
            distance = distances[observable(value, self._outline, distances)]
            incoming = max((distances[read].noise_ratio for read in value.reads if read in distances), default=0.0)
            kernel = kernels.get(layer_name(value))
            layers.append(
                Layer(
                    name=layer_name(value),
                    op=value.op,
                    decibels=distance.decibels,
                    added=max(distance.noise_ratio - incoming, 0.0),
                    cosine=distance.cosine,
                    kept=layer_name(value) in kept,
                    kernel_decibels=None if kernel is None else kernel.decibels,
                    kernel_steps=None if kernel is None else kernel.steps,
                )
            )
        return layers

    def _kernels(self, file: Path) -> dict[str, KernelError]:
        try:
            model = QdqModel(self._file, file)
        except ValueError:
            return {}
        return kernel_errors(model, list(islice(self._held_out(), _IMAGES_FOR_KERNELS)))

    def _layers(self) -> Iterator[Value]:
        return (value for value in self._outline.values.values() if value.op in LAYERS)

    def _patterns(self) -> Sequence[str]:
        """The patterns of ``keep``. Raises ``RunError`` for one that matches no layer."""
        for pattern in self._how.keep:
            if not any(matches(value, pattern) for value in self._layers()):
                names = [layer_name(value) for value in self._layers()]
                near = closest(pattern, names)
                listed = ", ".join(f"`{name}`" for name in names[:4])
                raise RunError.of(
                    catalogue.UNKNOWN_LAYER,
                    f"`{pattern}` matches none of the {len(names)} layers of `{self._original.name}`",
                    helps=(f"did you mean `{near}`?" if near else f"its layers are {listed}, ..",),
                )
        return self._how.keep
