"""The logits of the emitted networks are those of independent implementations with the same weights."""

from __future__ import annotations

import io
import zlib
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from resdsl.backends.onnx import emit_to_stream
from resdsl.ir.graph import CheckpointReader, Graph, Stored
from resdsl.passes import LEVELS, optimize
from resdsl.weights.values import stream

from .shipped import graph_of, reference, reference_names

LIGHT = ("resnet18", "resnet34", "resnet50")
NETWORKS = [pytest.param(name, marks=pytest.mark.parity(heavy=name not in LIGHT)) for name in reference_names()]


class ReferenceWeights(CheckpointReader):
    """The weights that tests/reference/README.md describes."""

    name = "reference"

    def __init__(self, shapes: dict[str, list[int]], gamma: tuple[float, float]) -> None:
        self.shapes = shapes
        self.gamma = gamma

    def read(self, key: str) -> np.ndarray:
        shape = self.shapes[key]
        module, _, kind = key.rpartition(".")
        rng = generator(key)
        if kind == "running_var":
            value = rng.uniform(0.5, 1.5, shape)
        elif kind in ("running_mean", "bias"):
            value = 0.1 * rng.standard_normal(shape)
        elif f"{module}.running_mean" in self.shapes:
            value = rng.uniform(*self.gamma, shape)
        else:
            value = np.sqrt(2 / np.prod(shape[1:])) * rng.standard_normal(shape)
        return value.astype(np.float32)


def generator(name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))


def weighted(graph: Graph, weights: CheckpointReader) -> Graph:
    parameters = {
        name: replace(parameter, source=Stored(weights, name)) for name, parameter in graph.parameters.items()
    }
    return replace(graph, parameters=parameters)


def logits(graph: Graph, image: np.ndarray) -> np.ndarray:
    model = io.BytesIO()
    emit_to_stream(graph, model, stream(graph.parameters.values()))
    session = onnxruntime.InferenceSession(model.getvalue(), providers=["CPUExecutionProvider"])
    (result,) = session.run(["logits"], {graph.input_name: image})
    return np.asarray(result)


@pytest.mark.parametrize("level", [0, len(LEVELS) - 1], ids=["as-written", "folded"])
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_the_reference_s(name: str, level: int) -> None:
    wanted = reference(name)
    weights = ReferenceWeights(wanted["state_dict"], tuple(wanted["bn_gamma"]))
    image = generator("input").standard_normal(wanted["input"]).astype(np.float32)

    found = logits(optimize(weighted(graph_of(name), weights), level), image)

    expected = np.array(wanted["logits"], dtype=np.float32)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()
