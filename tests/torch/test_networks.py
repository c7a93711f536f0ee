"""The built-in networks as modules: the outputs of ONNX Runtime, and of the networks that they follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import resdsl
import resdsl.torch
from resdsl.specification.specification import Specification

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch

LIGHT = {"resnet18", "mobilenet_v2", "googlenet", "resnet_cifar", "resnetv2_cifar", "densenet_cifar", "resnet50d"}
NETWORKS = [pytest.param(one.name, marks=pytest.mark.parity(heavy=one.name not in LIGHT)) for one in resdsl.specs()]


AMPLIFY = {"seresnet50"}
"""Networks whose initial weights amplify rounding: their gates are sigmoids of numbers in the hundreds. They are
compared with the statistics of an image in their norms, as after training, where the numbers are of the order of 1."""


def image_for(specification: Specification, batch: int = 1) -> np.ndarray:
    sizes = [size if isinstance(size, int) else batch for size in specification.graph.input.type.shape]
    return np.random.default_rng(0).standard_normal(sizes).astype(np.float32)


def with_statistics(specification: Specification, image: np.ndarray) -> dict[str, Any]:
    """The initial weights, with the statistics of an image (and its mirror image) in the norms."""
    module = resdsl.torch.module(specification, seed=1).train()
    for each in module.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            each.momentum = 1.0
    with torch.no_grad():
        module(torch.from_numpy(np.concatenate([image, image[..., ::-1]])))
    tensors: dict[str, Any] = module.state_dict()
    return tensors


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_onnx_runtime(name: str, tmp_path: Any) -> None:
    specification = resdsl.load(name)
    image = image_for(specification)
    weights = None
    if name in AMPLIFY:
        weights = tmp_path / "weights.pth"
        torch.save(with_statistics(specification, image), weights)
    resdsl.compile(specification, tmp_path / "net.onnx", seed=1, weights=weights)
    session = resdsl.open_session(tmp_path / "net.onnx", device="cpu", threads=1)
    names = [output.name for output in specification.graph.outputs if not output.aux]
    expected = session.run({specification.graph.input_name: image}, names)
    with torch.no_grad():
        module = resdsl.torch.module(specification, outputs=names, seed=1, weights=weights)
        found = module.eval()(torch.from_numpy(image))
    for output in names:
        difference = np.abs(found[output].numpy() - expected[output]).max()
        allowed = 1e-5 * np.abs(expected[output]).max()
        if output == "probabilities" and "logits" in expected:
            # A softmax makes a relative change of an absolute one: twice that of its logits, at most.
            allowed *= max(1.0, 2 * np.abs(expected["logits"]).max())
        assert difference <= allowed, output


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_one_graph_for_torch_compile(name: str, training: bool) -> None:
    # Without values nothing is computed: following the program is the same.
    specification = resdsl.load(name)
    model = resdsl.torch.module(specification, device="meta").train(training)
    sizes = [size if isinstance(size, int) else 2 for size in specification.graph.input.type.shape[:2]]
    sides = [size if isinstance(size, int) else 256 for size in specification.graph.input.type.shape[2:]]
    torch._dynamo.reset()
    report = torch._dynamo.explain(model)(torch.empty(*sizes, *sides, device="meta"))
    assert report.graph_break_count == 0, report.break_reasons
    assert report.graph_count == 1
