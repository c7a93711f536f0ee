"""Images to result rows: throughput relative to the bare session, and whether memory grows."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from harness import Bench, Missing, Pairs, Quantity, Ratio, Row

import resdsl
from resdsl.runtime.images import load_image
from resdsl.runtime.metadata import read_metadata
from resdsl.runtime.preprocess import prepare
from resdsl.runtime.session import open_session
from resdsl.tools.predict.predict import predict

_IMAGES = 1000
_A_TURN = 120
_BATCH = 8
_PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "hubble_deep_field")


def run(bench: Bench) -> Iterable[Row]:
    """The same session with JPEG files and with prepared batches, interleaved."""
    files = _photographs(bench.folder / "photos", _IMAGES)
    rounds = min(bench.rounds, 5)
    for name in ("resnet18", "resnet50"):
        model = bench.folder / f"{name}.onnx"
        resdsl.compile(resdsl.load(name), model, optimize=2)
        session = open_session(model, device="cpu")
        batch = np.random.default_rng(0).standard_normal((_BATCH, 3, 224, 224)).astype(np.float32)

        def ours(session=session) -> object:
            return sum(1 for _ in predict(session, files[:_A_TURN], batch_size=_BATCH))

        def theirs(session=session, batch=batch) -> None:
            for _ in range(_A_TURN // _BATCH):
                session.run({"image": batch}, ["probabilities"])

        pairs = bench.pairs(ours, theirs, rounds=rounds)
        yield _rate(f"{name}, images a second", pairs, at_least=0.95)
        yield pairs.row(f"{name}, CPU of {_A_TURN} images", by="cpu", note="against the bare session")
    preprocess = read_metadata(session.metadata, "").preprocess
    assert preprocess is not None
    reading = bench.series(lambda: [prepare(load_image(file), preprocess) for file in files[:_A_TURN]], rounds=rounds)
    value = reading.median("cpu").value / _A_TURN
    yield Row("read and prepare one image, CPU", Quantity(value, "s"), note="500 x 375, JPEG")
    yield from _memory(bench, bench.folder / "resnet18.onnx", files)


def _rate(name: str, pairs: Pairs, *, at_least: float) -> Row:
    """Images a second of both, and what part the first is of the second."""
    ratio = Ratio.of([b.wall / a.wall for a, b in zip(pairs.ours.samples, pairs.theirs.samples, strict=True)])
    ours, theirs = (Quantity(_A_TURN / one.median("wall").value, "images/s") for one in (pairs.ours, pairs.theirs))
    note = "against the bare session"
    return Row(name, ours, theirs, ratio, f"at least {at_least:g} x", ratio.median >= at_least, note)


def _memory(bench: Bench, model: Path, files: Sequence[str]) -> Iterable[Row]:
    """Whole processes with few and with many images."""
    peaks = []
    for count in (_IMAGES // 10, _IMAGES):
        names = "\n".join(files[:count])
        command = [bench.python, "-m", "resdsl", "predict", model, "-", "-q", "--device", "cpu"]
        sample = bench.process([*command, "-o", bench.folder / f"{count}.jsonl"], stdin=names)
        peaks.append(sample.memory)
        yield Row(f"peak memory, {count} images", Quantity(sample.memory, "B"), note="resnet18, whole process")
    ratio = Ratio.of([peaks[1] / peaks[0]])
    small, large = (Quantity(peak, "B") for peak in peaks)
    yield Row("peak memory, 1000 to 100 images", large, small, ratio, "at most 1.05 x", ratio.median <= 1.05)


def _photographs(folder: Path, count: int) -> list[str]:
    """Photographs under CC0, turned and cut differently each, 500 x 375 pixels in JPEG: as large as ImageNet's are."""
    try:
        from PIL import Image
        from skimage import data
    except ImportError:
        raise Missing("needs scikit-image, for its photographs") from None
    folder.mkdir()
    choose = random.Random(0)
    originals = [Image.fromarray(getattr(data, name)()).convert("RGB") for name in _PHOTOGRAPHS]
    files = []
    for number in range(count):
        image = originals[number % len(originals)]
        image = image.rotate(choose.uniform(-30, 30), Image.Resampling.BICUBIC)
        width, height = (int(side * choose.uniform(0.6, 0.95)) for side in image.size)
        left, top = choose.randint(0, image.width - width), choose.randint(0, image.height - height)
        image = image.resize((500, 375), Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
        files.append(str(folder / f"{number:04}.jpg"))
        image.save(files[-1], quality=90)
    return files
