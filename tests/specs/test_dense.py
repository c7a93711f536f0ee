"""Networks with images as outputs: the feature pyramid, dense prediction, and class maps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from resdsl.ir.dims import evaluate
from resdsl.ir.graph import Graph

from ..building import build
from .running import image_of, reference_weights, run, weights_for
from .shipped import REFERENCES, graph_of

AT_64: dict[str, dict[str, object]] = {
    "resnet50_fpn": {"height": 64, "width": 64},
    "fcn_resnet50": {"size": 64},
}


def dense_reference(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((REFERENCES / "dense" / f"{name}.json").read_text())
    return data


def outputs_of(graph: Graph) -> dict[str, str]:
    return {output.name: str(graph.nodes[output.node].type) for output in graph.outputs}


@pytest.mark.parametrize("name", AT_64)
def test_names_and_shapes_are_torchvisions(name: str) -> None:
    wanted = dense_reference(name)
    graph = graph_of(name)
    assert {key: list(parameter.shape) for key, parameter in graph.parameters.items()} == wanted["state_dict"]
    assert graph.parameter_count == wanted["parameters"]


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.parity(heavy=False)) for name in AT_64])
def test_outputs_are_torchvisions(name: str) -> None:
    wanted = dense_reference(name)
    weights = reference_weights(wanted["state_dict"], tuple(wanted["bn_gamma"]))
    found = run(graph_of(name, **AT_64[name]), weights, image_of(wanted["input"]))
    assert list(found) == list(wanted["outputs"])
    channels, pixels = wanted["sample"]
    for output, expected in wanted["outputs"].items():
        assert list(found[output].shape) == expected["shape"], output
        sample = found[output][:, ::channels, ::pixels, ::pixels]
        assert np.abs(sample - np.array(expected["values"])).max() <= 1e-4 * expected["largest"], output


def test_the_levels_of_the_pyramid_halve_one_after_another() -> None:
    # Lin et al. 2017, arXiv:1612.03144, sec. 3: strides 4, 8, 16, 32, and 64 for P6; d = 256.
    wanted = {f"C{level}": f"[N, {64 << level}, {512 >> level}, {768 >> level}]" for level in range(2, 6)}
    wanted |= {f"P{level}": f"[N, 256, {512 >> level}, {768 >> level}]" for level in range(2, 7)}
    assert outputs_of(graph_of("resnet50_fpn", height=512, width=768)) == wanted


HEADS = """
block body {{ conv1: conv(16, 3x3, stride = 2);  bn1: bn;  relu;  conv2: conv(24, 3x3, stride = 2);  bn2: bn;  relu }}

model flat(classes = 10) {{
  input image: f32[N, 3, {height}, {width}]
  features: body;  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}}

model maps(classes = 10) {{
  input image: f32[N, 3, {height}, {width}]
  features: body
  fc: conv(classes, 1x1, bias = true);  output class_maps
  avgpool(global);  flatten
  output logits
}}
"""


def as_convolution(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A linear layer's ``[classes, features]`` as the kernel of a 1x1 convolution."""
    return {**weights, "fc.weight": weights["fc.weight"][:, :, None, None]}


def check_heads(flat: Graph, maps: Graph, image: np.ndarray) -> np.ndarray:
    """Assert that both heads give the same logits with the same weights; give the class maps."""
    draw = weights_for(flat)
    weights = {name: draw(name) for name in flat.parameters}
    logits = run(flat, weights.__getitem__, image)["logits"]
    found = run(maps, as_convolution(weights).__getitem__, image)
    np.testing.assert_allclose(found["logits"], logits, atol=1e-4 * np.abs(logits).max())
    np.testing.assert_allclose(found["class_maps"].mean(axis=(2, 3)), logits, atol=1e-4 * np.abs(logits).max())
    return found["class_maps"]


@pytest.mark.parametrize(("height", "width"), [(16, 16), (24, 40)])
def test_class_maps_and_then_the_average_is_the_average_and_then_a_linear_layer(height: int, width: int) -> None:
    flat, maps = (build(HEADS.format(height=height, width=width), name) for name in ("flat", "maps"))
    class_maps = check_heads(flat, maps, image_of([2, 3, height, width]))
    assert class_maps.shape == (2, 10, height // 4, width // 4)


@pytest.mark.parity(heavy=True)
def test_resnet50_gives_the_same_logits_in_its_convolutional_form() -> None:
    class_maps = check_heads(graph_of("resnet50"), graph_of("resnet50_conv"), image_of([1, 3, 224, 224]))
    assert class_maps.shape == (1, 1000, 7, 7)


def test_resnet50_has_the_same_tensors_in_its_convolutional_form() -> None:
    flat, maps = ({key: tensor.shape for key, tensor in graph_of(name).parameters.items()} for name in PAIR)
    assert maps == {**flat, "fc.weight": (1000, 2048, 1, 1)}


PAIR = ("resnet50", "resnet50_conv")


@pytest.mark.parametrize(("height", "width"), [(224, 224), (320, 480), (225, 257)])
def test_class_maps_grow_with_the_image(height: int, width: int) -> None:
    graph = graph_of("resnet50_conv")
    shape = next(graph.nodes[output.node].type for output in graph.outputs if output.name == "class_maps").shape
    size = {"N": 1, "H": height, "W": width}
    # Five strides of 2, each rounding up: ceil(size / 32).
    assert [evaluate(dim, size) for dim in shape] == [1, 1000, -(-height // 32), -(-width // 32)]
