"""From a model in floating point to one of 8-bit whole numbers, and a report of what that cost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from resdsl.compiler.lower import PRECISION_KEY
from resdsl.compiler.models import Build, built
from resdsl.diagnostics import CompileError, Diagnostics, Option, Text, catalogue
from resdsl.diagnostics.errors import RunError, UnavailableError
from resdsl.diagnostics.suggest import closest
from resdsl.onnx.outline import Outline, Value
from resdsl.onnx.replace_metadata import replace_metadata
from resdsl.runtime.files import ModelFile, require_file
from resdsl.runtime.images import MAX_PIXELS
from resdsl.runtime.network import Network
from resdsl.runtime.optimised import made_for
from resdsl.runtime.session import open_session
from resdsl.runtime.sources import Item, Source, items_of
from resdsl.tools.quantize.static import (
    MOST_FOR_HISTOGRAMS,
    Distance,
    Settings,
    Simulation,
    fold_file,
    quantize_file,
    simulated_name,
)

Array = npt.NDArray[Any]

_LAYERS = frozenset({"Conv", "Gemm", "MatMul"})
_QUANTIZED = frozenset({"QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"})

_SATURATED = 6.0
"""So many decibels more noise than whole numbers must have are the processor's own: twice the error."""

Progress = Callable[[int, int | None], None]
"""Told how many images are done, of how many."""


@dataclass(frozen=True, slots=True)
class Quantization:
    """How a model is quantised.

    ``keep`` are patterns (``layer1.*``) of the names of layers that stay in floating point, and ``keep_worst`` so many
    more, those that add the most noise. Of at most ``images`` images, spread over all, the part ``held_back`` is for
    the report alone. ``method`` and ``reduce_range`` are as for ``resdsl.tools.quantize.static.Settings``.
    """

    keep: Sequence[str] = ()
    keep_worst: int = 0
    images: int = 500
    held_back: float = 0.2
    method: str = "minmax"
    reduce_range: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution or linear layer and how far its value is from the original's, over the images held back.

    ``decibels`` is the ratio of signal to noise; ``added`` is the noise, as a part of the signal, that the layer has
    more than what it was given. ``kept`` layers are in floating point.
    """

    name: str
    op: str
    decibels: float
    added: float
    cosine: float
    kept: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far one output is from the original's, over the images held back.

    ``cosine`` is the smallest and ``mean_cosine`` the mean of those of the images. ``centred`` is that mean for what
    is left of both when the original's mean over the images is taken off: what tells images apart. It is ``None`` for a
    single image and for outputs other than ``[N, features]``. ``agree`` is of how many of ``images`` the largest value
    is in the same place.
    """

    output: str
    cosine: float
    mean_cosine: float
    centred: float | None
    decibels: float
    agree: int
    images: int


@dataclass(frozen=True, slots=True)
class Quantized:
    """What was made. ``before`` and ``bytes`` are the sizes of the files, ``calibrated`` images set the ranges.

    ``layers`` come with the farthest from the original first. ``saturated`` says that this processor's arithmetic is
    farther from the original than whole numbers must be. ``folded`` says that the model had batch norms of their own.
    ``problems`` are images that could not be read.
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
    """Write ``model`` with 8-bit weights and activations to ``output``, whole or not at all.

    ``model`` is an ONNX file or a specification, which is compiled as ``build`` says; batch norms are folded first.
    ``calibrate`` are images as for ``resdsl.predict``: a folder, files, arrays. They are prepared as the model says. An
    image that cannot be read is left out, and told in ``problems``.

    Raises ``CompileError`` for a specification that has mistakes and where the file cannot be written, ``RunError``
    for a model that cannot be quantised, for too few images, and for a pattern that fits no layer.
    """
    start = time.perf_counter()
    how = how or Quantization()
    source = os.fspath(model)
    with (
        built([(source, build or Build(level=2))]) as (original,),
        TemporaryDirectory(prefix="resdsl-") as name,
    ):
        work = _Work(original, Path(name), how, list(items_of(calibrate)), progress)
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


class _Work:
    """One model on its way, and what is learned of it."""

    def __init__(
        self, original: ModelFile, folder: Path, how: Quantization, items: Sequence[Item], progress: Progress | None
    ) -> None:
        self.problems = Diagnostics()
        self.quantized = folder / "quantized.onnx"
        self.calibrated = 0
        self._how = how
        self._original = original
        self._folder = folder
        outline = _outline(original)
        self.before = original.file.stat().st_size + outline.beside
        self.folded = any(_can_be_folded(value, outline) for value in outline.values.values())
        self._file = original.file
        if self.folded:
            self._file = folder / "folded.onnx"
            fold_file(original.file, self._file)
            outline = Outline(self._file)
        self._outline = outline
        self._session = open_session(self._file, device="cpu", name=original.name)
        self._network = Network.of(self._session)
        self._network.require_preprocess()
        self._calibration, self._held_back = _split(items, how)
        self._progress = _Counting(progress, len(self._calibration) + 2 * len(self._held_back))

    def settings(self) -> Settings:
        """What stays in floating point: what was asked for, softmax, and the preparing of images."""
        values = self._outline.values.values()
        kept = {_layer_name(value) for value in self._layers() for pattern in self._patterns() if _fits(value, pattern)}
        kept |= {value.node for value in values if value.op == "Softmax" or value.node.startswith("preprocess.")}
        return Settings(self._how.method, self._how.reduce_range, tuple(sorted(kept)))

    def attempt(self, settings: Settings) -> tuple[Layer, ...]:
        """Quantise, and say how far each layer is from the original, the farthest first."""
        self.calibrated = 0
        feeds = self._counted()
        first = next(feeds, None)
        if first is None:
            raise _too_few(len(self._calibration) + len(self._held_back), self.problems)
        quantize_file(self._file, self.quantized, chain([first], feeds), settings)
        distances = self._distances()
        layers = []
        for value in self._layers():
            distance = distances[self._seen(value, distances)]
            given = max((distances[read].share for read in value.reads if read in distances), default=0.0)
            layers.append(
                Layer(
                    name=_layer_name(value),
                    op=value.op,
                    decibels=distance.decibels,
                    added=max(distance.share - given, 0.0),
                    cosine=distance.cosine,
                    kept=_layer_name(value) in settings.keep,
                )
            )
        return tuple(sorted(layers, key=lambda layer: layer.decibels))

    def outputs(self) -> tuple[tuple[Agreement, ...], bool]:
        """How far the outputs are from the original's, and whether that is this processor's arithmetic."""
        session = open_session(self.quantized, device="cpu", name=f"{self._original.name} in whole numbers")
        names = [port.name for port in session.outputs if "float" in port.dtype]
        outline = Outline(self.quantized)
        simulation = Simulation(outline.exposing(()), self._folder)
        tallies = {name: _Tally() for name in names}
        simulated = Distance()
        for feeds in self._feeds(self._held_back):
            ours, theirs = session.run(feeds, names), self._session.run(feeds, names)
            for name, tally in tallies.items():
                tally.add(theirs[name], ours[name])
            first = names[0]
            simulated.add(theirs[first], simulation.run(feeds, [first])[first])
            self._progress.step()
        agreements = tuple(tally.agreement(name) for name, tally in tallies.items())
        return agreements, agreements[0].decibels < simulated.decibels - _SATURATED

    def metadata(self, settings: Settings) -> dict[str, str]:
        """What the original says of itself, and how it was quantised."""
        said = {key: text for key, text in self._session.metadata.items() if key.startswith("resdsl.")}
        kept = [name for name in settings.keep if name in map(_layer_name, self._layers())]
        how = {"method": settings.method, "images": self.calibrated, "keep": kept}
        return {**said, PRECISION_KEY: "int8", "resdsl.quantized": json.dumps(how)}

    def _layers(self) -> Iterator[Value]:
        return (value for value in self._outline.values.values() if value.op in _LAYERS)

    def _patterns(self) -> Sequence[str]:
        """Those of ``keep``. Raises ``RunError`` for one that fits no layer."""
        for pattern in self._how.keep:
            if not any(_fits(value, pattern) for value in self._layers()):
                names = [_layer_name(value) for value in self._layers()]
                near = closest(pattern, names)
                listed = ", ".join(f"`{name}`" for name in names[:4])
                raise RunError.of(
                    catalogue.UNKNOWN_LAYER,
                    f"`{pattern}` fits none of the {len(names)} layers of `{self._original.name}`",
                    helps=(f"did you mean `{near}`?" if near else f"its layers are {listed}, ..",),
                )
        return self._how.keep

    def _counted(self) -> Iterator[dict[str, Array]]:
        for feeds in self._feeds(self._calibration):
            yield feeds
            self.calibrated += 1
            self._progress.step()

    def _feeds(self, items: Sequence[Item]) -> Iterator[dict[str, Array]]:
        """Each image as the model takes it, alone; those that cannot be read are told once."""
        for item in items:
            try:
                (array,) = self._network.read(item)
            except UnavailableError:
                raise
            except RunError as problem:
                self.problems.report(problem.diagnostic)
                continue
            # A batch of a fixed size is filled up with the same image.
            yield {self._network.input.name: np.stack([array] * self._network.batch_size(1))}

    def _distances(self) -> dict[str, Distance]:
        """How far each value is from the original's, by the name that it has there, where it has a counterpart."""
        outline = Outline(self.quantized)
        pairs = {
            value.name: name
            for value in self._outline.values.values()
            if not value.node.startswith("preprocess.") and (name := simulated_name(value.name, outline.values))
        }
        original = Simulation(self._outline.exposing(pairs), self._file.parent)
        quantized = Simulation(outline.exposing(set(pairs.values())), self._folder)
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

    def _seen(self, value: Value, distances: Mapping[str, Distance]) -> str:
        """Where the value of a layer can be seen: an activation behind it may have become a part of it."""
        readers = self._outline.readers(value.name)
        if value.name not in distances and len(readers) == 1:
            return readers[0].name
        return value.name


class _Tally:
    """An output of both models, over the images."""

    def __init__(self) -> None:
        self._all = Distance()
        self._cosines: list[float] = []
        self._rows: list[tuple[Array, Array]] = []
        self._agree = 0

    def add(self, original: Array, other: Array) -> None:
        one = Distance()
        one.add(original, other)
        self._all.add(original, other)
        self._cosines.append(one.cosine)
        if original.ndim == 2:
            self._rows.append((original[0], other[0]))
        self._agree += int(original[:1].argmax() == other[:1].argmax())

    def agreement(self, name: str) -> Agreement:
        cosines = self._cosines
        mean = sum(cosines) / len(cosines)
        decibels = self._all.decibels
        return Agreement(name, min(cosines), mean, self._centred(), decibels, self._agree, len(cosines))

    def _centred(self) -> float | None:
        if len(self._rows) < 2:
            return None
        middle = np.mean([original for original, _ in self._rows], axis=0)
        cosines = []
        for original, other in self._rows:
            one = Distance()
            one.add(original - middle, other - middle)
            cosines.append(one.cosine)
        return sum(cosines) / len(cosines)


class _Counting:
    def __init__(self, tell: Progress | None, total: int) -> None:
        self._tell = tell
        self._total = total
        self._done = 0

    def step(self) -> None:
        self._done = min(self._done + 1, self._total)
        if self._tell is not None:
            self._tell(self._done, self._total)


def _outline(model: ModelFile) -> Outline:
    """The values of a model in floating point; raises ``RunError`` for another."""
    require_file(model.file, "a model")
    try:
        outline = Outline(model.file)
    except ValueError:
        raise RunError.of(
            catalogue.MODEL_UNREADABLE,
            f"`{model.name}` is not an ONNX file",
            helps=("name a specification or an ONNX file",),
        ) from None
    if made_for(model.file) is not None:
        raise RunError.of(
            catalogue.CALIBRATION,
            Text(
                f"`{model.name}` was made for one machine by ",
                Option("for_runtime"),
                ", which leaves nothing to quantise",
            ),
            helps=(
                Text("compile its specification without ", Option("for_runtime"), ", or name the specification here"),
            ),
        )
    operators = {value.op for value in outline.values.values()}
    if operators & _QUANTIZED:
        raise RunError.of(
            catalogue.CALIBRATION,
            f"`{model.name}` is in whole numbers already",
            helps=("name the model that it was made of",),
        )
    if not operators & _LAYERS:
        raise RunError.of(
            catalogue.CALIBRATION,
            f"`{model.name}` has no convolution or linear layer to quantise",
            helps=("leave it as it is",),
        )
    return outline


def _can_be_folded(value: Value, outline: Outline) -> bool:
    """Whether this is a batch norm right behind a layer that nothing else reads."""
    if value.op != "BatchNormalization" or value.reads[0] not in outline.values:
        return False
    layer = outline.values[value.reads[0]]
    return layer.op in _LAYERS and len(outline.readers(layer.name)) == 1 and not layer.is_output


def _split(items: Sequence[Item], how: Quantization) -> tuple[list[Item], list[Item]]:
    """Images to calibrate with, and those that are held back: every so many-th, so that both are of all kinds."""
    most = min(how.images, MOST_FOR_HISTOGRAMS) if how.method != "minmax" else how.images
    if len(items) > most:
        items = [items[place * len(items) // most] for place in range(most)]
    if len(items) < 2:
        for item in items:
            item.load(MAX_PIXELS)  # a folder that does not exist is an image that says so
        raise _too_few(len(items), Diagnostics())
    step = max(round(1 / how.held_back), 2)
    held_back = items[step - 1 :: step] or items[-1:]
    names = {id(item) for item in held_back}
    return [item for item in items if id(item) not in names], list(held_back)


def _too_few(count: int, problems: Diagnostics) -> CompileError | RunError:
    """For want of images; where some could not be read, that is what to tell."""
    if problems.errors:
        return CompileError(problems)
    return RunError.of(
        catalogue.CALIBRATION,
        f"there {'is' if count == 1 else 'are'} {count} image{'' if count == 1 else 's'} to calibrate with, and at"
        " least 2 are needed: one to learn the ranges from, one to compare with the original",
        helps=("name a folder with a hundred images or so, of the kind that the model will see",),
    )


def _fits(value: Value, pattern: str) -> bool:
    return fnmatchcase(_layer_name(value), pattern)


def _layer_name(value: Value) -> str:
    return value.node or value.name
