"""Run the original and quantized models on the held-out images and compare them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from resdsl.onnx.outline import Outline, Value
from resdsl.runtime.session import WEIGHTS_FOLDER, Session, open_session
from resdsl.tools.quantize.agreement import Agreement, Distance, OutputComparison
from resdsl.tools.quantize.calibration import Counter
from resdsl.tools.quantize.fit import Feeds
from resdsl.tools.quantize.quantizer import dequantized_name


def compare_outputs(
    original: Session, quantized: Sequence[Session], feeds: Iterable[Feeds], counter: Counter
) -> list[tuple[Agreement, ...]]:
    """The agreement of each quantized model's outputs with the original's; empty without images."""
    names = [port.name for port in original.outputs if "float" in port.dtype]
    comparisons = [{name: OutputComparison() for name in names} for _ in quantized]
    images = 0
    for feed in feeds:
        images += 1
        theirs = original.run(dict(feed), names)
        for session, outputs in zip(quantized, comparisons, strict=True):
            ours = session.run(dict(feed), names)
            for name, comparison in outputs.items():
                comparison.add(theirs[name], ours[name])
        counter.advance()
    if not images:
        return []
    return [tuple(comparison.agreement(name) for name, comparison in outputs.items()) for outputs in comparisons]


def compare_values(
    original: Path, quantized: Path, feeds: Iterable[Feeds], counter: Counter
) -> tuple[dict[str, Distance], tuple[Agreement, ...]]:
    """The error of each value that both models have, by its name in the original, and the agreement of outputs.

    Both graphs run as they are written, so the errors are those of quantization and not of a CPU's kernels. What
    nothing that reads a value can tell apart, such as numbers below -3 before a hard-swish, is no error.
    """
    ours, theirs = Outline(original), Outline(quantized)
    pairs = {
        value.name: name
        for value in ours.values.values()
        if not value.node.startswith("preprocess.") and (name := dequantized_name(value.name, theirs.values))
    }
    a, b = (
        as_written(ours.exposing(pairs), original.parent),
        as_written(theirs.exposing(set(pairs.values())), quantized.parent),
    )
    others = list(dict.fromkeys(pairs.values()))
    bounds = ours.informative_bounds()
    distances = {name: Distance() for name in pairs}
    outputs = {
        name: OutputComparison() for name in pairs if ours.values[name].is_output and pairs[name] in theirs.values
    }
    images = 0
    for feed in feeds:
        images += 1
        floats, bytes_ = a.run(dict(feed), list(pairs)), b.run(dict(feed), others)
        for name, other in pairs.items():
            if np.issubdtype(floats[name].dtype, np.floating):
                low, high = bounds.get(name, (-np.inf, np.inf))
                distances[name].add(np.clip(floats[name], low, high), np.clip(bytes_[other], low, high))
                if name in outputs:
                    outputs[name].add(floats[name], bytes_[other])
            else:
                outputs.pop(name, None)
        counter.advance()
    if not images:
        return {}, ()
    return distances, tuple(comparison.agreement(name) for name, comparison in outputs.items())


def as_written(model: bytes, folder: Path) -> Session:
    """A session that runs the graph as written, so that no kernel of the CPU adds its own error."""
    entries = {WEIGHTS_FOLDER: os.fspath(folder.resolve())}
    return open_session(model, device="cpu", name="the model", entries=entries, optimize=False)


def observable(value: Value, outline: Outline, distances: Mapping[str, Distance]) -> str:
    """The value to compare for a layer: that of the activation after it, if it was fused into the layer."""
    readers = outline.readers(value.name)
    if value.name not in distances and len(readers) == 1:
        return readers[0].name
    return value.name
