"""Int8 models compared with fp32, and models optimised for this machine compared with plain ones."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from efficientnet_lite import weights_of, write_model
from harness import ROOT, Bench, Pairs, Quantity, Result
from PIL import Image
from safetensors.numpy import save_file
from skimage import data

import resdsl
from resdsl.runtime.session import Session, open_session
from resdsl.tools.quantize.agreement import OutputComparison
from resdsl.tools.quantize.quantize import Quantization, Quantized, quantize

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
    yield from _trained(bench)


_JUDGES = ("chelsea", "rocket", "hubble_deep_field", "immunohistochemistry", "camera", "grass")
"""Photographs that calibration does not see; all others calibrate."""

_METHODS = {
    "default": Quantization(),
    "minmax": Quantization(method="minmax"),
    "percentile, 7-bit weights": Quantization(method="percentile", reduce_range=True),
}


def _trained(bench: Bench) -> Iterable[Result]:
    """EfficientNet-lite 0, 1 and 2 with trained weights, if their packages are installed (efficientnet_lite.py)."""
    for number in (0, 1, 2):
        checkpoint = weights_of(number)
        if checkpoint is None:
            continue
        plain = bench.folder / f"lite{number}.onnx"
        write_model(number, checkpoint, plain)
        for label, how in _METHODS.items():
            name = f"efficientnet-lite{number} int8, {label}"
            target = bench.folder / f"lite{number}-{label.split(',')[0]}.onnx"
            quantize(plain, _crops(bench.folder / "calibrate", judges=False), target, how=how)
            ours, theirs = _open(target, 1), _open(plain, 1)
            images = [
                resized(path, theirs.inputs[0].shape[2]) for path in sorted(_crops(bench.folder / "judge").iterdir())
            ]
            comparison = OutputComparison()
            for image in images:
                comparison.add(theirs.run(image, ["logits"])["logits"], ours.run(image, ["logits"])["logits"])
            found = comparison.agreement("logits")
            note = f"the same class for {found.agree} of {found.images} images of other photographs"
            target_cosine = 0.98 if label == "default" else None
            yield Result(
                f"{name}, mean cosine of logits",
                Quantity(found.mean_cosine, ""),
                target=f"at least {target_cosine}" if target_cosine else "",
                met=found.mean_cosine >= target_cosine if target_cosine else None,
                note=note,
            )
            pairs = bench.pairs(
                lambda ours=ours, x=images[0]: ours.run(x, ["logits"]),
                lambda theirs=theirs, x=images[0]: theirs.run(x, ["logits"]),
                rounds=15,
                warmups=3,
            )
            yield pairs.row(f"{name}, one image", by="cpu", at_most=0.8, note="against fp32")


def resized(path: Path, size: int | str | None) -> dict[str, np.ndarray]:
    assert isinstance(size, int)
    array = np.asarray(Image.open(path).resize((size, size), Image.Resampling.BICUBIC), np.float32)
    return {"input": ((array - 127) / 128).transpose(2, 0, 1)[None].copy()}


def _crops(folder: Path, *, judges: bool = True) -> Path:
    """78 square crops of random sizes and places, of the photographs that judge or of the others."""
    if folder.exists():
        return folder
    folder.mkdir()
    random = np.random.default_rng(judges)
    names = [name for name in _PHOTOGRAPHS if (name in _JUDGES) == judges]
    for index in range(78):
        image = Image.fromarray(getattr(data, names[index % len(names)])()).convert("RGB")
        side = int(min(image.size) * random.uniform(0.35, 1))
        left, top = (int(random.integers(0, size - side + 1)) for size in image.size)
        image.crop((left, top, left + side, top + side)).save(folder / f"{index:02}.png")
    return folder


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
