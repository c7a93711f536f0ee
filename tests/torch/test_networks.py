"""The built-in networks as modules: the outputs of ONNX Runtime, and of the networks that they follow."""

from __future__ import annotations

from collections.abc import Callable
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


def torchvision_model(name: str, **options: Any) -> Any:
    return pytest.importorskip("torchvision.models").get_model(name, weights=None, **options)


def timm_model(name: str) -> Any:
    return pytest.importorskip("timm").create_model(name)


TWINS: dict[str, Callable[[], Any]] = {
    "resnet18": lambda: torchvision_model("resnet18"),
    "resnet50": lambda: torchvision_model("resnet50"),
    "densenet121": lambda: torchvision_model("densenet121"),
    "mobilenet_v2": lambda: torchvision_model("mobilenet_v2"),
    "googlenet": lambda: torchvision_model("googlenet", aux_logits=True, transform_input=False, init_weights=False),
    "seresnet50": lambda: timm_model("seresnet50"),
}


@pytest.mark.parametrize("name", TWINS)
def test_outputs_and_gradients_are_those_of_the_network_that_it_follows(name: str) -> None:
    twin, model = TWINS[name](), resdsl.torch.module(name, outputs="logits")
    # Strict in both directions: the same names and shapes, with the counters of batch norms.
    model.load_state_dict(twin.state_dict())
    twin.load_state_dict(model.state_dict())
    for each in (*twin.modules(), *model.modules()):
        if isinstance(each, torch.nn.Dropout):
            each.p = 0.0
    image = torch.from_numpy(image_for(resdsl.load(name), batch=2))
    with torch.no_grad():
        assert relative(model.eval()(image), twin.eval()(image)) <= 1e-5
    found, expected = model.train()(image), twin.train()(image)
    expected = getattr(expected, "logits", expected)
    found.square().mean().backward()
    expected.square().mean().backward()
    gradients = {one: parameter.grad for one, parameter in twin.named_parameters() if parameter.grad is not None}
    compared = [one for one, parameter in model.named_parameters() if parameter.grad is not None]
    assert compared and set(compared) == gradients.keys()
    for one, parameter in model.named_parameters():
        if one in gradients:
            assert relative(parameter.grad, gradients[one]) <= 1e-4, one


def relative(found: Any, expected: Any) -> float:
    # A last norm may start at zero, and with it the gradients of all before it.
    distance, size = (found - expected).norm().detach(), expected.norm().detach()
    return float(distance / size) if distance else 0.0


def test_a_built_in_network_compiles_without_a_graph_break() -> None:
    torch._dynamo.reset()
    for name in ("resnet18", "googlenet", "resnet50_fpn"):
        model = resdsl.torch.module(name, **({"set": {"height": 64, "width": 64}} if name == "resnet50_fpn" else {}))
        image = torch.from_numpy(image_for(resdsl.load(name), batch=2))
        if name == "resnet50_fpn":
            image = image[:, :, :64, :64]
        report = torch._dynamo.explain(model)(image)
        assert report.graph_break_count == 0, (name, report.break_reasons)
        assert report.graph_count == 1
