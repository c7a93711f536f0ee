"""Quantize a model to int8, and measure how far it is from the original."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.compiler.models import Build, model_files
from resdsl.compiler.options import CompileOptions
from resdsl.diagnostics import CompileError, Diagnostics, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.diagnostics.suggest import closest
from resdsl.ir import metadata
from resdsl.onnx.outline import Outline, Value
from resdsl.onnx.replace_metadata import replace_metadata
from resdsl.runtime.classifier import Classifier
from resdsl.runtime.files import ModelFile
from resdsl.runtime.images import MAX_PIXELS
from resdsl.runtime.session import WEIGHTS_FOLDER, Session, open_session
from resdsl.runtime.sources import Item, Source, items_of
from resdsl.tools.quantize.agreement import Agreement, Distance, Layer, OutputComparison
from resdsl.tools.quantize.float_model import LAYERS, can_be_folded, float_outline, layer_name, matches
from resdsl.tools.quantize.quantizer import (
    MOST_FOR_HISTOGRAMS,
    Settings,
    dequantized_name,
    fold_file,
    quantize_file,
)

Array = npt.NDArray[Any]

_SATURATED = 6.0
"""Decibels of noise beyond the quantization error at which the CPU's kernels are reported: twice the error."""

Progress = Callable[[int, int | None], None]
"""Called with the number of images done and the total."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """How a model is quantized.

    Layers whose names match a pattern of ``keep`` (``layer1.*``) stay in floating point, and the ``keep_worst`` layers
    that add the most noise. At most ``images`` images are used, evenly spaced over all; the fraction ``held_back`` of
    them is held out for the report. ``method`` and ``reduce_range`` are as for
    ``resdsl.tools.quantize.quantizer.Settings``.
    """

    keep: Sequence[str] = ()
    keep_worst: int = 0
    images: int = 500
    held_back: float = 0.2
    method: str = "minmax"
    reduce_range: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.held_back <= 0.5:  # NaN too
            raise ValueError("`held_back` must be greater than 0 and at most 0.5")


@dataclass(frozen=True, slots=True)
class Quantized:
    """A quantized model. ``before`` and ``bytes`` are the file sizes, ``calibrated`` the number of calibration images.

    ``layers`` are sorted by error, the largest first. ``saturated``: this CPU's kernels add more error than
    quantization itself. ``folded``: the model had batch norms, which were folded first. ``problems`` are the
    diagnostics of images that could not be read.
    """

    path: Path
    before: int
    bytes: int
    seconds: float
    calibrated: int
    layers: tuple[Layer, ...]
    outputs: tuple[Agreement, ...]
    saturated: bool
    folded: bool
    problems: Diagnostics = field(compare=False)


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
    start = time.perf_counter()
    how = how or Quantization()
    source = os.fspath(model)
    with (
        model_files([(source, build or Build(CompileOptions(optimize=2)))]) as (original,),
        TemporaryDirectory(prefix="resdsl-") as name,
    ):
        work = _Quantizer(original, Path(name), how, list(items_of(calibrate)), progress)
        settings = work.settings()
        layers = work.attempt(settings)
        if how.keep_worst:
            worst = sorted((layer for layer in layers if not layer.kept), key=lambda layer: -layer.added)
            names = (layer.name for layer in worst[: how.keep_worst])
            settings = Settings(settings.method, settings.reduce_range, (*settings.keep, *names))
            layers = work.attempt(settings)
        outputs, saturated = work.outputs()
        written = replace_metadata(work.quantized, Path(output), work.metadata(settings))
        return Quantized(
            path=Path(output),
            before=work.before,
            bytes=written,
            seconds=time.perf_counter() - start,
            calibrated=work.calibrated,
            layers=layers,
            outputs=outputs,
            saturated=saturated,
            folded=work.folded,
            problems=work.problems,
        )


class _Quantizer:
    """The state of quantizing one model."""

    def __init__(
        self, original: ModelFile, folder: Path, how: Quantization, items: Sequence[Item], progress: Progress | None
    ) -> None:
        self.problems = Diagnostics()
        self.quantized = folder / "quantized.onnx"
        self.calibrated = 0
        self._how = how
        self._original = original
        self._folder = folder
        outline = float_outline(original)
        self.before = original.file.stat().st_size + outline.beside
        self.folded = any(can_be_folded(value, outline) for value in outline.values.values())
        self._file = original.file
        if self.folded:
            self._file = folder / "folded.onnx"
            fold_file(original.file, self._file)
            outline = Outline(self._file)
        self._outline = outline
        self._session = open_session(self._file, device="cpu", name=original.name)
        self._classifier = Classifier.of(self._session)
        self._classifier.require_preprocess()
        self._calibration, self._held_back = _split(items, how)
        self._progress = _Counting(progress, len(self._calibration) + 2 * len(self._held_back))

    def settings(self) -> Settings:
        """The settings: requested layers, softmax and embedded preprocessing stay in floating point."""
        values = self._outline.values.values()
        kept = {
            layer_name(value) for value in self._layers() for pattern in self._patterns() if matches(value, pattern)
        }
        kept |= {value.node for value in values if value.op == "Softmax" or value.node.startswith("preprocess.")}
        return Settings(self._how.method, self._how.reduce_range, tuple(sorted(kept)))

    def attempt(self, settings: Settings) -> tuple[Layer, ...]:
        """Quantize, and measure the error of each layer, the largest first."""
        self.calibrated = 0
        feeds = self._counted()
        first = next(feeds, None)
        if first is None:
            raise _too_few(len(self._calibration) + len(self._held_back), self.problems)
        quantize_file(self._file, self.quantized, chain([first], feeds), settings)
        distances = self._distances()
        layers = []
        for value in self._layers():
            distance = distances[self._observable(value, distances)]
            incoming = max((distances[read].noise_ratio for read in value.reads if read in distances), default=0.0)
            layers.append(
                Layer(
                    name=layer_name(value),
                    op=value.op,
                    decibels=distance.decibels,
                    added=max(distance.noise_ratio - incoming, 0.0),
                    cosine=distance.cosine,
                    kept=layer_name(value) in settings.keep,
                )
            )
        return tuple(sorted(layers, key=lambda layer: layer.decibels))

    def outputs(self) -> tuple[tuple[Agreement, ...], bool]:
        """The agreement of the outputs, and whether most of the error is from this CPU's kernels."""
        session = open_session(self.quantized, device="cpu", name=f"{self._original.name} in int8")
        names = [port.name for port in session.outputs if "float" in port.dtype]
        outline = Outline(self.quantized)
        simulation = _simulation(outline.exposing(()), self._folder)
        comparisons = {name: OutputComparison() for name in names}
        simulated = Distance()
        for feeds in self._feeds(self._held_back):
            ours, theirs = session.run(feeds, names), self._session.run(feeds, names)
            for name, comparison in comparisons.items():
                comparison.add(theirs[name], ours[name])
            first = names[0]
            simulated.add(theirs[first], simulation.run(feeds, [first])[first])
            self._progress.step()
        agreements = tuple(comparison.agreement(name) for name, comparison in comparisons.items())
        return agreements, agreements[0].decibels < simulated.decibels - _SATURATED

    def metadata(self, settings: Settings) -> dict[str, str]:
        """The metadata of the original, and how it was quantized."""
        kept = [name for name in settings.keep if name in map(layer_name, self._layers())]
        how = {"method": settings.method, "images": self.calibrated, "keep": kept}
        return metadata.own_entries(self._session.metadata) | metadata.PRECISION.of("int8") | metadata.QUANTIZED.of(how)

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

    def _counted(self) -> Iterator[dict[str, Array]]:
        for feeds in self._feeds(self._calibration):
            yield feeds
            self.calibrated += 1
            self._progress.step()

    def _feeds(self, items: Sequence[Item]) -> Iterator[dict[str, Array]]:
        """Each image as an input of the model; images that cannot be read are reported."""
        for item in items:
            try:
                (array,) = self._classifier.read(item)
            except UnavailableError:
                raise
            except RunError as error:
                self.problems.report(error.diagnostic)
                continue
            # A fixed batch size is filled with the same image.
            yield {self._classifier.input.name: np.stack([array] * self._classifier.batch_size(1))}

    def _distances(self) -> dict[str, Distance]:
        """The error of each value that both models have, by its name in the original."""
        outline = Outline(self.quantized)
        pairs = {
            value.name: name
            for value in self._outline.values.values()
            if not value.node.startswith("preprocess.") and (name := dequantized_name(value.name, outline.values))
        }
        original = _simulation(self._outline.exposing(pairs), self._file.parent)
        quantized = _simulation(outline.exposing(set(pairs.values())), self._folder)
        distances = {name: Distance() for name in pairs}
        for feeds in self._feeds(self._held_back):
            ours, theirs = original.run(feeds, list(pairs)), quantized.run(feeds, list(dict.fromkeys(pairs.values())))
            for name, other in pairs.items():
                if np.issubdtype(ours[name].dtype, np.floating):
                    distances[name].add(ours[name], theirs[other])
            self._progress.step()
        if not any(distance.signal for distance in distances.values()):
            raise _too_few(len(self._calibration) + len(self._held_back), self.problems)
        return distances

    def _observable(self, value: Value, distances: Mapping[str, Distance]) -> str:
        """The value to compare for a layer: that of the activation after it, if it was fused into the layer."""
        readers = self._outline.readers(value.name)
        if value.name not in distances and len(readers) == 1:
            return readers[0].name
        return value.name


class _Counting:
    """Counts the images that are done."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def step(self) -> None:
        self._done = min(self._done + 1, self._total)
        if self._progress is not None:
            self._progress(self._done, self._total)


def _simulation(model: bytes, folder: Path) -> Session:
    """A session that runs the graph as written, so that no kernel of the CPU adds its own error."""
    entries = {WEIGHTS_FOLDER: os.fspath(folder.resolve())}
    return open_session(model, device="cpu", name="the model", entries=entries, optimize=False)


def _split(items: Sequence[Item], how: Quantization) -> tuple[list[Item], list[Item]]:
    """Calibration images and held-out images: every n-th is held out, so that both are representative."""
    most = min(how.images, MOST_FOR_HISTOGRAMS) if how.method != "minmax" else how.images
    if len(items) > most:
        items = [items[index * len(items) // most] for index in range(most)]
    if len(items) < 2:
        for item in items:
            item.load(MAX_PIXELS)  # the item of a missing folder raises the reason
        raise _too_few(len(items), Diagnostics())
    step = max(round(1 / how.held_back), 2)
    held_back = items[step - 1 :: step] or items[-1:]
    held_ids = {id(item) for item in held_back}
    return [item for item in items if id(item) not in held_ids], list(held_back)


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
