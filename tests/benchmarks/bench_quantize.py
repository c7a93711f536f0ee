"""Int8 models against fp32: agreement of the top class / mean cosine of logits / times as fast."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from harness import ROOT, Bench, Cell, Missing, Pairs, Quantity, Ratio, Result, Row, Sample, Series
from PIL import Image
from safetensors.numpy import save_file
from skimage import data
from trained_networks import Trained, installed

import resdsl
from resdsl.runtime.classifier import Classifier
from resdsl.runtime.session import Session, open_session
from resdsl.runtime.sources import items_of
from resdsl.tools.quantize.agreement import OutputComparison
from resdsl.tools.quantize.candidates import Candidate, Recipe
from resdsl.tools.quantize.maker import Maker
from resdsl.tools.quantize.quantize import Quantized, quantize
from resdsl.tools.quantize.quantizer import Settings

sys.path.insert(0, str(ROOT / "tests" / "specs"))
from running import weights_for

Array = npt.NDArray[Any]

CALIBRATE = ("astronaut", "coffee", "coins", "page", "moon", "brick", "gravel", "retina", "colorwheel", "clock")
JUDGE = ("chelsea", "rocket", "hubble_deep_field", "immunohistochemistry", "camera", "grass", "text")
"""Photographs that calibration doesn't see."""

_CROPS = 78
_LEAST = {"agreement": 0.85, "cosine": 0.98, "gain": 1.25}
_COLUMNS = ("nearest", "gptq", "gptq, percentile ranges", "minmax")
_LEAST_GAIN, _LEAST_COSINE = 1.85, 0.99  # of ResNet-50


def run(bench: Bench) -> Iterable[Result]:
    """The networks of ``trained_networks``, and ResNet-50 with random weights, for its speed."""
    for network, file in installed():
        yield from _Table(bench, network, file).cells()
    yield from _resnet50(bench)


# --- networks with trained weights -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Measured:
    agreement: float
    cosine: float
    pairs: Pairs

    @property
    def gain(self) -> Ratio:
        return Ratio.of([theirs.cpu / ours.cpu for ours, theirs in self._both])

    @property
    def _both(self) -> Iterator[tuple[Sample, Sample]]:
        return zip(self.pairs.ours.samples, self.pairs.theirs.samples, strict=True)

    @property
    def reached(self) -> bool:
        values = {"agreement": self.agreement, "cosine": self.cosine, "gain": self.gain.median}
        return all(values[name] >= least for name, least in _LEAST.items())

    def __str__(self) -> str:
        return f"{self.agreement:.2f} / {self.cosine:.4f} / {self.gain.median:.2f}"


class _Table:
    """One row of the table: a network, quantized in several ways."""

    def __init__(self, bench: Bench, network: Trained, file: Path) -> None:
        self._bench = bench
        self._name = network.name
        self._folder = bench.folder / network.package
        self._folder.mkdir()
        self._plain = self._folder / "float.onnx"
        network.write(file, self._plain)
        self._session = _open(self._plain)
        self._calibrate = _crops(self._folder / "calibrate", CALIBRATE, network.shape)
        classifier = Classifier.of(self._session)
        judges = _crops(self._folder / "judge", JUDGE, network.shape)
        self._judges = [classifier.read(item)[0] for item in items_of(judges)]
        self._inputs = [classifier.read(item)[0] for item in items_of(self._calibrate)]
        self._logits = [_logits(self._session, image) for image in self._judges]

    def cells(self) -> Iterator[Cell]:
        milliseconds = self._bench.series(self._run(self._session), rounds=15, warmups=3).median("cpu").value * 1e3
        yield Cell(self._name, "float", f"{milliseconds:.1f} ms")
        made, files = self._quantized()
        measured = {one.name: self._measured(files[one.name]) for one in made.candidates if not one.problem}
        best = measured[made.chosen.name]
        yield Cell(self._name, "`best`", f"{best} ({made.chosen.name})", best.reached)
        for column in _COLUMNS:
            if column in measured:
                yield self._cell(column, measured[column])
        target = self._folder / "onnxruntime.onnx"
        _default_of_onnx_runtime(self._plain, target, self._inputs)
        yield self._cell("ONNX Runtime's default", self._measured(target))
        with suppress(Missing):
            yield from self._nncf()

    def _quantized(self) -> tuple[Quantized, dict[str, Path]]:
        """What ``quantize`` makes by default, and the files of all candidates that it tried."""
        files: dict[str, Path] = {}
        make = Maker.make

        def kept(maker: Maker, recipe: Recipe, settings: Settings, *, limited: bool) -> tuple[Candidate, Path]:
            candidate, file = make(maker, recipe, settings, limited=limited)
            if not candidate.problem:
                files[candidate.name] = Path(shutil.copy(file, self._folder / f"candidate-{len(files)}.onnx"))
            return candidate, file

        with patch.object(Maker, "make", kept):
            return quantize(self._plain, self._calibrate, self._folder / "best.onnx"), files

    def _cell(self, column: str, measured: _Measured) -> Cell:
        return Cell(self._name, column, str(measured))

    def _nncf(self) -> Iterator[Cell]:
        np.save(self._folder / "calibrate.npy", self._inputs)
        np.save(self._folder / "judge.npy", self._judges)
        script = Path(__file__).with_name("nncf_int8.py")
        command = [self._bench.nncf, script, self._plain, self._folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"NNCF failed for {self._name}:\n{done.stderr[-4000:]}")
        yield self._cell("NNCF's default, ONNX Runtime", self._measured(self._folder / "nncf.onnx"))
        theirs = np.load(self._folder / "openvino.npz")
        series = (Series(tuple(Sample(cpu, cpu) for cpu in theirs[name])) for name in ("ours", "theirs"))
        yield self._cell("NNCF's default, OpenVINO", self._compared(theirs["logits"], Pairs(*series)))

    def _measured(self, model: Path) -> _Measured:
        session = _open(model)
        pairs = self._bench.pairs(self._run(session), self._run(self._session), rounds=21, warmups=3)
        return self._compared([_logits(session, image) for image in self._judges], pairs)

    def _compared(self, logits: Sequence[Array], pairs: Pairs) -> _Measured:
        comparison = OutputComparison()
        for original, quantized in zip(self._logits, logits, strict=True):
            comparison.add(original[None], quantized[None])
        found = comparison.agreement("logits")
        return _Measured(found.agree / found.images, found.mean_cosine, pairs)

    def _run(self, session: Session) -> Callable[[], object]:
        image = {session.inputs[0].name: self._judges[0][None]}
        return lambda: session.run(image, ["logits"])


def _logits(session: Session, image: Array) -> Array:
    result: Array = session.run({session.inputs[0].name: image[None]}, ["logits"])["logits"][0]
    return result


def _default_of_onnx_runtime(model: Path, target: Path, inputs: Sequence[Array]) -> None:
    """``quantize_static`` without options: QDQ, signed activations, one scale for each weight tensor, all values."""
    quantization = importlib.import_module("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self._images = iter(inputs)

        def get_next(self) -> dict[str, Array] | None:
            image = next(self._images, None)
            return None if image is None else {"input": image[None]}

    quantization.quantize_static(str(model), str(target), Reader())


def _crops(folder: Path, names: Sequence[str], shape: tuple[int, int] | None) -> Path:
    """78 crops of random sizes and places, squares or of ``shape``; every second of those is upside down."""
    folder.mkdir()
    random = np.random.default_rng(len(names))
    rows, columns = shape or (1, 1)
    for index in range(_CROPS):
        image = Image.fromarray(getattr(data, names[index % len(names)])()).convert("RGB")
        unit = min(image.width / columns, image.height / rows) * random.uniform(0.35, 1)
        width, height = int(unit * columns), int(unit * rows)
        left, top = (
            int(random.integers(0, have - size + 1)) for have, size in zip(image.size, (width, height), strict=True)
        )
        part = image.crop((left, top, left + width, top + height))
        if shape:
            part = part.resize((columns, rows), Image.Resampling.BILINEAR).rotate(180 * (index % 2))
        part.save(folder / f"{index:02}.png")
    return folder


# --- ResNet-50 -------------------------------------------------------------------------------------------------------


def _resnet50(bench: Bench) -> Iterator[Result]:
    """ResNet-50 with the weights that tests/reference/README.md describes, and what ``--for-runtime`` saves."""
    plain = _compiled(bench, "resnet50")
    made = quantize(plain, _photographs(bench.folder / "photographs"), bench.folder / "int8.onnx")
    yield _cosine(made)
    for threads in (1, 2):
        pairs = _images(bench, _open(bench.folder / "int8.onnx", threads), _open(plain, threads))
        name = f"resnet50 int8, one image, {threads} thread{'s' * (threads > 1)}"
        yield pairs.row(name, by="cpu", at_most=round(1 / _LEAST_GAIN, 3), note="against fp32")
    yield Row("resnet50 int8, the file", Quantity(made.bytes, "B"), Quantity(made.before, "B"))
    for name in ("resnet50", "resnet152"):
        for level in (0, 1):
            plain, ready = _compiled(bench, name, level), _compiled(bench, name, level, for_runtime=True)
            loading = bench.pairs(lambda ready=ready: _open(ready), lambda plain=plain: _open(plain))
            yield loading.row(f"{name} -O{level} --for-runtime, loading", by="wall", note="against the plain model")


def _images(bench: Bench, ours: Session, theirs: Session) -> Pairs:
    image = {"image": np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)}
    return bench.pairs(
        lambda: ours.run(image, ["logits"]), lambda: theirs.run(image, ["logits"]), rounds=3 * bench.rounds, warmups=3
    )


def _cosine(made: Quantized) -> Row:
    logits = next(output for output in made.outputs if output.output == "logits")
    return Row(
        "resnet50 int8, smallest cosine of logits",
        Quantity(logits.cosine, ""),
        target=f"at least {_LEAST_COSINE}",
        reached=logits.cosine >= _LEAST_COSINE,
        note=f"the same class for {logits.agree} of {logits.images} images held back",
    )


def _compiled(bench: Bench, name: str, level: int = 1, *, for_runtime: bool = False) -> Path:
    specification = resdsl.load(name)
    weights = bench.folder / f"{name}.safetensors"
    if not weights.exists():
        tensors = specification.graph.parameters
        rule = weights_for(specification.graph)
        save_file({tensor: rule(tensor) for tensor in tensors}, weights)
    target = bench.folder / f"{name}-{level}{'-here' * for_runtime}.onnx"
    if not target.exists():
        resdsl.compile(specification, target, weights=weights, optimize=level, for_runtime=for_runtime)
    return target


def _open(model: Path, threads: int = 1) -> Session:
    return open_session(model, device="cpu", threads=threads)


def _photographs(folder: Path) -> Path:
    """Photographs under CC0, whole and three parts of each: 85 pictures."""
    folder.mkdir()
    for name in CALIBRATE + JUDGE:
        image = Image.fromarray(getattr(data, name)()).convert("RGB")
        width, height = image.size
        whole = (0, 0, width, height)
        corners = (0, 0, width * 2 // 3, height * 2 // 3), (width // 3, height // 3, width, height)
        middle = (width // 4, height // 4, width * 3 // 4, height * 3 // 4)
        for number, box in enumerate((whole, *corners, middle)):
            image.crop(box).save(folder / f"{name}_{number}.png")
    return folder
