"""The gradients of every example of every operator, against central differences of its oracle in float64."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest

from resdsl.ir.graph import Graph
from resdsl.ir.operator import Example
from resdsl.training.network import NetworkPasses
from resdsl.training.nodes import Nodes, Port
from resdsl.training.options import StepOptions

from ..ops.harness import answers, every_operator, graph_of, name_of, weights_of
from ..ops.oracles import Array
from .oracles_in_training import answers_in_training

EXAMPLES = [
    pytest.param(example, id=f"{example.text} on {'x'.join(map(str, example.shape))}")
    for operator in every_operator().values()
    for example in operator.examples
]

_STEP = 1e-5


def _pixels(shape: Sequence[int]) -> Array:
    """Numbers apart from each other and from the corners of activations, so that no step crosses one of either."""
    count = int(np.prod(shape))
    steps = (np.arange(count) - count / 2 + 0.3) * (8 / count)
    return np.random.default_rng(1).permutation(steps).reshape(shape).astype(np.float32)


def _passes(graph: Graph, options: StepOptions) -> tuple[bytes, list[str]]:
    """A model of both passes: from the input, the parameters and the gradient of the result to gradients."""
    nodes = Nodes()
    last = len(graph.nodes) - 1
    passes = NetworkPasses(graph, nodes, options, [last], of_input=True)
    passes.forward()
    gradients = passes.backward({last: "upward"})
    names = ["value", *gradients]
    nodes("Identity", passes.name(last), output="value")
    for name, value in gradients.items():
        nodes("Identity", value, output=f"{name}:gradient")
    shape: Any = graph.input.type.shape
    result: Any = graph.nodes[last].type.shape
    inputs = [Port("images", "float32", shape), Port("upward", "float32", result), Port("seed", "int64", ())]
    inputs += [Port(one.name, "float32", one.shape) for one in graph.parameters.values()]
    outputs = [Port("value", "float32", result)]
    outputs += [
        Port(f"{name}:gradient", "float32", shape if name == "images" else graph.parameters[name].shape)
        for name in gradients
    ]
    return nodes.model("example", inputs, outputs, {}), names


def _run(model: bytes, feeds: Mapping[str, Array]) -> list[Array]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found: list[Array] = session.run(None, dict(feeds))
    return found


def _directions(shape: Sequence[int], cost: int) -> Iterator[Array]:
    """Single elements, all of them where these are few, and random directions, which no wrong element leaves alone."""
    rng = np.random.default_rng(3)
    count = int(np.prod(shape))
    for place in rng.permutation(count)[: min(24, 50_000 // max(1, cost))]:
        yield np.eye(1, count, int(place)).reshape(shape)
    for _ in range(3 if cost < 10_000 else 1):
        yield rng.standard_normal(shape)


@pytest.mark.parametrize("example", EXAMPLES)
def test_gradients_are_the_central_differences_of_the_definition(example: Example) -> None:
    graph = graph_of(example.text, example.shape)
    if any(name_of(node.operator) == "dropout" and node.operator.rate for node in graph.nodes):  # type: ignore[attr-defined]
        pytest.skip("its mask is random: see test_dropout.py")
    x = _pixels(example.shape)
    weights = weights_of(graph)
    upward = np.random.default_rng(2).standard_normal(graph.nodes[-1].type.shape).astype(np.float32)
    model, names = _passes(graph, StepOptions())
    found = dict(zip(names, _run(model, {"images": x, "upward": upward, "seed": np.array(0), **weights}), strict=True))
    wide = {name: value.astype(np.float64) for name, value in weights.items()}
    wide["images"] = x.astype(np.float64)
    np.testing.assert_allclose(found.pop("value"), answers_in_training(graph, wide), rtol=1e-5, atol=1e-5)
    trained = {name for name, parameter in graph.parameters.items() if parameter.trainable}
    assert set(found) == {"images", *trained}
    cost = sum(answer.multiplications for answer in answers(graph, weights, x)) * example.shape[0]
    for name, gradient in found.items():
        assert gradient.shape == wide[name].shape, name
        size = float(np.abs(gradient).max())
        for direction in _directions(gradient.shape, cost):
            above, below = (
                float((answers_in_training(graph, {**wide, name: wide[name] + step * direction}) * upward).sum())
                for step in (_STEP, -_STEP)
            )
            expected = (above - below) / (2 * _STEP)
            room = 1e-4 * abs(expected) + 1e-5 * max(1.0, size) * float(np.abs(direction).sum()) ** 0.5
            assert abs(float((gradient * direction).sum()) - expected) <= room, name
