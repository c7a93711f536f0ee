"""8-bit whole numbers beside 32-bit floats, and models that start at once beside plain ones."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from harness import ROOT, Bench, Pairs, Quantity, Result
from PIL import Image
from safetensors.numpy import save_file
from skimage import data

import resdsl
from resdsl.runtime.session import Session, open_session
from resdsl.tools.quantize.quantize import Quantized, quantize

sys.path.insert(0, str(ROOT / "tests" / "specs"))
from running import weights_for

_PHOTOGRAPHS = ("chelsea", "astronaut", "coffee", "rocket", "coins", "camera", "page", "text", "moon", "brick")
_PHOTOGRAPHS += ("grass", "gravel", "hubble_deep_field", "immunohistochemistry", "retina", "colorwheel", "clock")
_LEAST_GAIN = 1.7
_LEAST_COSINE = 0.99


def run(bench: Bench) -> Iterable[Result]:
    """ResNet-50, and ResNet-152 for loading, with the weights that tests/reference/README.md describes."""
    plain = _compiled(bench, "resnet50")
    made = quantize(plain, _photographs(bench.folder / "photographs"), bench.folder / "int8.onnx")
    yield _cosine(made)
    for threads in (1, 2):
        pairs = _images(bench, _open(bench.folder / "int8.onnx", threads), _open(plain, threads))
        name = f"resnet50 int8, one image, {threads} thread{'s' * (threads > 1)}"
        yield pairs.row(name, by="cpu", at_most=round(1 / _LEAST_GAIN, 3), note="against fp32")
    yield Result("resnet50 int8, the file", Quantity(made.bytes, "B"), Quantity(made.before, "B"))
    for name in ("resnet50", "resnet152"):
        for level in (0, 1):
            plain, ready = _compiled(bench, name, level), _compiled(bench, name, level, for_runtime=True)
            loading = bench.pairs(lambda ready=ready: _open(ready, 1), lambda plain=plain: _open(plain, 1))
            yield loading.row(f"{name} -O{level} --for-runtime, loading", by="wall", note="against the plain model")


def _images(bench: Bench, ours: Session, theirs: Session) -> Pairs:
    image = {"image": np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)}
    return bench.pairs(
        lambda: ours.run(image, ["logits"]), lambda: theirs.run(image, ["logits"]), rounds=3 * bench.rounds, warmups=3
    )


def _cosine(made: Quantized) -> Result:
    logits = next(output for output in made.outputs if output.output == "logits")
    note = f"the same class for {logits.agree} of {logits.images} images held back"
    target = f"at least {_LEAST_COSINE}"
    return Result(
        "resnet50 int8, smallest cosine of logits",
        Quantity(logits.cosine, ""),
        target=target,
        reached=logits.cosine >= _LEAST_COSINE,
        note=note,
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


def _open(model: Path, threads: int) -> Session:
    return open_session(model, device="cpu", threads=threads)


def _photographs(folder: Path) -> Path:
    """Photographs under CC0, whole and three parts of each: 68 pictures."""
    folder.mkdir()
    for name in _PHOTOGRAPHS:
        image = Image.fromarray(getattr(data, name)()).convert("RGB")
        width, height = image.size
        whole = (0, 0, width, height)
        corners = (0, 0, width * 2 // 3, height * 2 // 3), (width // 3, height // 3, width, height)
        middle = (width // 4, height // 4, width * 3 // 4, height * 3 // 4)
        for number, box in enumerate((whole, *corners, middle)):
            image.crop(box).save(folder / f"{name}_{number}.png")
    return folder
