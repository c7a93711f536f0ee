"""The built-in networks that torchvision or timm have too: the same tensors, outputs and gradients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import resdsl
import resdsl.torch

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch


@dataclass(frozen=True)
class Twin:
    """``make`` gives the other network. Both take images of ``size``, which is as small as the network allows."""

    make: Callable[[], Any]
    size: int = 64
    batch: int = 4
    set: dict[str, object] = field(default_factory=dict)
    in_double: bool = True
    outputs: dict[str, str] = field(default_factory=lambda: {"logits": "logits"})
    """Names of our outputs and of the twin's, where it has several."""


def torchvision(name: str, **options: Any) -> Callable[[], Any]:
    return lambda: pytest.importorskip("torchvision.models").get_model(name, weights=None, **options)


def timm(name: str) -> Callable[[], Any]:
    return lambda: pytest.importorskip("timm").create_model(name)


def pyramid() -> Any:
    models = pytest.importorskip("torchvision.models.detection.backbone_utils")
    return models.resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, trainable_layers=5, norm_layer=torch.nn.BatchNorm2d
    )


WITH_HEADS = {"aux_logits": True, "transform_input": False, "init_weights": False}
PLAIN = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "wide_resnet50_2", "wide_resnet101_2"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "mobilenet_v2"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
)
TWINS = {
    **{name: Twin(torchvision(name)) for name in PLAIN},
    **{name: Twin(timm(name)) for name in ("resnet50d", "seresnet50", "resnetv2_50", "resnetv2_101", "resnetv2_152")},
    # Without padding, and pools of fixed sizes: these need more pixels.
    **{name: Twin(timm(name), 139, 2) for name in ("inception_v4", "inception_resnet_v2")},
    # Its heads for training pool as in the paper, those of torchvision otherwise.
    "googlenet": Twin(torchvision("googlenet", **WITH_HEADS), 224, 2),
    "inception_v3": Twin(
        torchvision("inception_v3", **WITH_HEADS), 299, 2, outputs={"logits": "logits", "AuxLogits": "aux_logits"}
    ),
    # Two of 140 million parameters with gradients, in float64, take 5 GB.
    "vgg19": Twin(torchvision("vgg19"), 224, 1, in_double=False),
    "fcn_resnet50": Twin(
        torchvision("fcn_resnet50", weights_backbone=None, aux_loss=False),
        64,
        2,
        {"size": 64},
        outputs={"scores": "out"},
    ),
    "resnet50_fpn": Twin(
        pyramid, 64, 2, {"height": 64, "width": 64}, outputs={"P2": "0", "P3": "1", "P4": "2", "P5": "3", "P6": "pool"}
    ),
}


IN_DOUBLE = {"resnet18", "resnet50", "mobilenet_v2", "densenet121", "resnetv2_50", "seresnet50"}
"""One network of each form is compared in float64 too, which takes ten times as long; ``--parity`` does it for all."""


def test_every_network_with_a_reference_has_a_twin_here() -> None:
    references = Path(__file__).parents[1] / "reference"
    assert set(TWINS) == {file.stem for file in (*references.glob("*.json"), *references.glob("dense/*.json"))}


def drawn(model: Any) -> Any:
    """The model with weights and statistics that hide nothing: no norm starts at 0, and none does nothing."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=random)
            elif tensor.is_floating_point() and tensor.dim() == 1:
                tensor.normal_(0.0, 0.1, generator=random)
                if name.endswith("weight"):
                    tensor.add_(1.0)
    for each in model.modules():
        if isinstance(each, torch.nn.Dropout):
            each.p = 0.0  # the two draw other numbers
    return model


def outputs_of(found: Any, names: Any) -> list[Any]:
    if isinstance(found, torch.Tensor):
        return [found]
    values = found._asdict() if hasattr(found, "_asdict") else found
    return [values[name] for name in names if values.get(name) is not None]


def relative(found: Any, expected: Any) -> float:
    distance, size = (found - expected).norm().detach(), expected.norm().detach()
    return float(distance / size) if distance else 0.0


@pytest.mark.parametrize("name", TWINS)
def test_tensors_outputs_and_gradients_are_those_of_the_twin(name: str, pytestconfig: pytest.Config) -> None:
    twin = TWINS[name]
    in_double = twin.in_double and (name in IN_DOUBLE or pytestconfig.getoption("--parity"))
    theirs = drawn(twin.make())
    ours = resdsl.torch.module(name, set=twin.set, outputs=list(twin.outputs))
    assert {one: tensor.shape for one, tensor in ours.state_dict().items()} == {
        one: tensor.shape for one, tensor in theirs.state_dict().items()
    }
    ours.load_state_dict(theirs.state_dict())
    for each in ours.modules():
        if isinstance(each, torch.nn.Dropout):
            each.p = 0.0
    image = torch.randn(twin.batch, 3, twin.size, twin.size, generator=torch.Generator().manual_seed(1))
    # In the type that people train in, and in one in which a difference is no matter of rounding.
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.float64, 1e-9))[: 1 + bool(in_double)]:
        given = image.to(dtype)
        for model in (ours, theirs):
            model.to(dtype).eval().zero_grad()
        with torch.no_grad():
            pairs = zip(
                outputs_of(ours(given), twin.outputs), outputs_of(theirs(given), twin.outputs.values()), strict=True
            )
            for found, expected in pairs:
                assert relative(found, expected) <= tolerance
        # Batch norms use the statistics of the batch, heads for training give theirs too.
        for model, names in ((ours, twin.outputs), (theirs, twin.outputs.values())):
            values = outputs_of(model.train()(given), names)
            assert len(values) == len(twin.outputs)
            # The gradient of the sum of squares after a norm is nearly 0.
            sum(
                (value * torch.linspace(-1, 1, value[0].numel(), dtype=dtype).view_as(value[0])).sum()
                for value in values
            ).backward()
        gradients = {one: parameter.grad for one, parameter in theirs.named_parameters() if parameter.grad is not None}
        compared = {one: parameter.grad for one, parameter in ours.named_parameters() if parameter.grad is not None}
        without = {one for one, _ in ours.named_parameters()} - compared.keys()
        assert compared.keys() == gradients.keys()
        assert not without or name == "googlenet"
        for one, gradient in compared.items():
            assert gradients[one].norm() > 0, one
            assert relative(gradient, gradients[one]) <= tolerance, one
        # The running statistics that training updates.
        expected = theirs.state_dict()
        heads = tuple(f"{one.partition('.')[0]}." for one in without)
        for one, tensor in ours.state_dict().items():
            if one.startswith(heads):
                continue
            assert relative(tensor.double(), expected[one].double()) <= tolerance, one
