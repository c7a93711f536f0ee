"""Models that the compiler wrote: every operator of the language is read again, as one that computes the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resdsl.importer.network import read_network
from resdsl.importer.tensors import OnnxFile
from resdsl.ops import operators

from ..building import network, tensor
from ..properties.models import emitted
from .models import deviation
from .models import operators as operators_of

EXAMPLES = [example for one in operators().values() for example in one.examples]


@pytest.mark.parametrize("any_size", [False, True], ids=["fixed", "any size"])
@pytest.mark.parametrize("example", EXAMPLES, ids=[example.text for example in EXAMPLES])
def test_an_operator_is_read_again(example: tuple[str, tuple[int, ...], bool], any_size: bool, tmp_path: Path) -> None:
    text, shape, fits_any_size = example
    sizes = ["N", *map(str, shape[1:])]
    if any_size:
        if len(shape) != 4 or not fits_any_size:
            pytest.skip("it needs the size of the image")
        sizes[2:] = ["H", "W"]
    content = emitted(network(f"{text}\n  output y", ", ".join(sizes)), tensor)
    found = read_network(OnnxFile("own.onnx", content))
    assert not found.opaque
    assert "Opaque" not in {type(node.operator).__name__ for node in found.graph.nodes}
    x = np.random.default_rng(0).standard_normal((2, *shape[1:])).astype(np.float32)
    assert deviation(found, content, x, tmp_path) < 1e-5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("channel_shuffle(2)", ["channel_shuffle"]),
        ("channel_shuffle(8)", ["channel_shuffle"]),
        ("space_to_depth(2, order = channels)", ["space_to_depth"]),
        ("upsample(1)", []),
        ("branch_softmax(2)", ["branch_softmax"]),
        ("branch_softmax(channels)", ["branch_softmax"]),
        ("branch_softmax(1)", ["branch_softmax"]),
        ("branch_sum(4)", ["branch_sum"]),
        ("branch_sum(1)", ["branch_sum"]),
        ("scale(0.5)", ["scale"]),
        ("seq: { scale(0.5);  scale(2) }", ["scale", "scale"]),
        ("avgpool(global);  flatten;  channel_shuffle(4)", ["avgpool", "flatten", "channel_shuffle"]),
    ],
)
def test_an_operator_is_read_as_itself(text: str, expected: list[str]) -> None:
    content = emitted(network(f"{text};  relu\n  output y", "N, 16, 6, 6"))
    found = read_network(OnnxFile("own.onnx", content))
    assert operators_of(found) == [*expected, "relu"]
