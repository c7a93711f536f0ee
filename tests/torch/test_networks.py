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


def image_for(specification: Specification, batch: int = 1) -> np.ndarray:
    sizes = [size if isinstance(size, int) else batch for size in specification.graph.input.type.shape]
    return np.random.default_rng(0).standard_normal(sizes).astype(np.float32)


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_are_those_of_onnx_runtime(name: str, tmp_path: Any) -> None:
    specification = resdsl.load(name)
    image = image_for(specification)
    resdsl.compile(specification, tmp_path / "net.onnx", seed=1)
    session = resdsl.open_session(tmp_path / "net.onnx", device="cpu", threads=1)
    names = [output.name for output in specification.graph.outputs if not output.aux]
    expected = session.run({specification.graph.input_name: image}, names)
    with torch.no_grad():
        found = resdsl.torch.module(specification, outputs=names, seed=1).eval()(torch.from_numpy(image))
    for output in names:
        difference = np.abs(found[output].numpy() - expected[output]).max()
        assert difference <= 1e-5 * np.abs(expected[output]).max(), output


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
