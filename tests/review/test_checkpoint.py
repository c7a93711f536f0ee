"""Whether weights still load, judged as by ``compile --weights``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from networks import BLOCKS, PAIRS, SMALL, text
from safetensors.numpy import save_file

import resdsl
from resdsl.ir.graph import Graph, Stored
from resdsl.review.checkpoint import Fit, renames_text
from resdsl.review.review import compare
from resdsl.review.sentences import verdict_line
from resdsl.review.terminal import render_text


def checkpoint(graph: Graph, path: Path) -> Path:
    tensors = {name: np.ones(parameter.shape, np.float32) for name, parameter in graph.parameters.items()}
    save_file(tensors, path)
    return path


# What moves between two networks of the same tensors, and is reported: PyTorch loads all of these without a warning.
@pytest.mark.parametrize(
    "name",
    [
        "v1-to-v1.5",
        "eps",
        "padding",
        "activation",
        "pooling",
        "scaled-residual",
        "order-of-norm-and-relu",
        "dilated-convolution",
        "preprocessing",
    ],
)
def test_the_same_tensors_with_another_meaning_are_reported_loudly(name: str) -> None:
    old, new = (one() for one in PAIRS[name])
    review = compare(old, new)
    assert {n: p.shape for n, p in old.parameters.items()} == {n: p.shape for n, p in new.parameters.items()}
    assert review.checkpoint.fit is Fit.FULLY
    assert not review.checkpoint.is_compatible
    assert "SAME TENSORS, DIFFERENT COMPUTATION" in render_text(review)


@pytest.mark.parametrize("name", ["dropout", "output-added", "refactored", "input-size", "linear-to-convolution"])
def test_what_leaves_the_old_outputs_alone_is_compatible(name: str) -> None:
    old, new = (one() for one in PAIRS[name])
    review = compare(old, new)
    assert review.checkpoint.fit is Fit.FULLY
    assert review.checkpoint.is_compatible


def test_the_share_counts_values_and_not_tensors() -> None:
    old, new = (one() for one in PAIRS["classes"])
    verdict = compare(old, new).checkpoint
    values = sum(parameter.count for parameter in new.parameters.values())
    # All but the 100 x 32 matrix and the 100 biases of the classifier.
    assert verdict.share == pytest.approx((values - 100 * 32 - 100) / values)
    assert {one.name for one in verdict.reshaped} == {"fc.weight", "fc.bias"}


def test_weights_that_load_into_another_layer_are_reported() -> None:
    old = text(BLOCKS)()
    new = text(BLOCKS, ("stage layer1             { 2 x unit(16) }", "stage layer1 { conv(16, 3x3); 2 x unit(16) }"))()
    verdict = compare(old, new).checkpoint
    assert verdict.misplaced["layer1.1.conv1.weight"] == "layer1.0.conv1.weight"
    assert "INTO OTHER LAYERS" in verdict_line(compare(new, new)) or "DIFFERENT COMPUTATION" in verdict_line(
        compare(old, new)
    )


@pytest.mark.parametrize(
    "name",
    [
        "stage-renamed",
        "norms-renamed",
        "stage-inserted",
        "stage-removed",
        "block-inserted",
        "stem-into-a-scope",
        "resnet-to-fcn",
        "linear-to-convolution",
    ],
)
def test_renames_bring_the_weights_over_when_compiled_with(name: str, tmp_path: Path) -> None:
    old, new = (one() for one in PAIRS[name])
    verdict = compare(old, new).checkpoint
    stored = checkpoint(old, tmp_path / "old.safetensors")
    renames = dict(line.split("=", 1) for line in renames_text(verdict).splitlines())
    from resdsl.diagnostics import Diagnostics
    from resdsl.weights.match import match

    diagnostics = Diagnostics()
    with resdsl.read_weights(stored) as opened:
        loaded, report = match(new, opened, diagnostics, partial=True, renames=renames)
    assert not [error.message for error in diagnostics.errors]
    assert report.values == verdict.renamed_values
    # A tensor of a layer that is paired comes from that layer.
    for change in compare(old, new).changes:
        for before, after in getattr(change, "tensors", {}).items():
            source = loaded.parameters[after].source
            assert not isinstance(source, Stored) or source.key == before


def test_layers_that_change_places_are_renamed_by_way_of_others() -> None:
    old = text(SMALL, ("bn1: bn;  relu", "bn1: bn;  relu;  a: conv(16, 3x3);  b: conv(16, 1x1)"))()
    new = text(SMALL, ("bn1: bn;  relu", "bn1: bn;  relu;  b: conv(16, 3x3);  a: conv(16, 1x1)"))()
    verdict = compare(old, new).checkpoint
    names = {name: name for name in old.parameters}
    from resdsl.weights.renaming import rename

    for before, after in verdict.renames.items():
        names = {name: rename(to, before, after) for name, to in names.items()}
    assert {old.parameters[before].shape for before in ("a.weight", "b.weight")} == {(16, 16, 3, 3), (16, 16, 1, 1)}
    assert all(old.parameters[before].shape == new.parameters[after].shape for before, after in names.items())
