"""Fine-tuning by surgery: adapters of low rank (Hu et al. 2021, arXiv:2106.09685) in the layers of a specification."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resdsl
import resdsl.torch
from tests.torch.small import network

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch


@pytest.fixture
def image() -> Any:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def train(model: Any, image: Any, steps: int = 5) -> None:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.01)
    target = torch.arange(len(image))
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(image), target).backward()
        optimizer.step()


def assert_compiled_computes(model: Any, image: Any, folder: Path) -> None:
    """The weights of a module compile, and ONNX Runtime gives its logits."""
    torch.save(model.state_dict(), folder / "trained.pth")
    compiled = resdsl.compile(network(), folder / "net.onnx", weights=folder / "trained.pth", ignore=("head.*",))
    assert compiled.random == 0
    session = resdsl.open_session(folder / "net.onnx", device="cpu")
    found = session.run({"image": image.numpy()}, ["logits"])["logits"]
    with torch.no_grad():
        expected = model.eval()(image).numpy()
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


def test_adapters_written_by_hand(image: Any, tmp_path: Path) -> None:
    class Adapted(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, base: Any, rank: int) -> None:
            super().__init__()
            self.base = base.requires_grad_(False)
            self.down = torch.nn.Conv2d(base.in_channels, rank, base.kernel_size, base.stride, base.padding, bias=False)
            self.up = torch.nn.Conv2d(rank, base.out_channels, 1, bias=False)
            torch.nn.init.zeros_(self.up.weight)

        def forward(self, x: Any) -> Any:
            return self.base(x) + self.up(self.down(x))

        def merged(self) -> Any:
            with torch.no_grad():
                self.base.weight += torch.einsum("or,rihw->oihw", self.up.weight[:, :, 0, 0], self.down.weight)
            return self.base

    model = resdsl.torch.module(network(), outputs="logits").requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    start = model.eval()(image)
    for block in model.layer1:
        block.conv1, block.conv2 = Adapted(block.conv1, 2), Adapted(block.conv2, 2)
    torch.testing.assert_close(model(image), start, rtol=0, atol=0)
    train(model, image)
    trained = model(image)
    assert not torch.allclose(trained, start)
    for block in model.layer1:
        block.conv1, block.conv2 = block.conv1.merged(), block.conv2.merged()
    torch.testing.assert_close(model(image), trained)
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed == {f"layer1.{number}.conv{each}.weight" for number in (0, 1) for each in (1, 2)}
    assert_compiled_computes(model, image, tmp_path)


def test_adapters_of_peft(image: Any, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed: tests/with_torch.sh installs it")
    model = resdsl.torch.module(network(), outputs="logits", seed=1).eval()
    start = model(image).detach()
    config = peft.LoraConfig(
        r=2, target_modules=["layer1.0.conv1", "layer1.1.conv2", "fc"], modules_to_save=["neck.mix"]
    )
    adapted = peft.get_peft_model(model, config)
    torch.testing.assert_close(adapted(image), start, rtol=0, atol=0)
    train(adapted, image)
    trained = adapted(image).detach()
    assert not torch.allclose(trained, start)
    merged = adapted.merge_and_unload()
    assert isinstance(merged, resdsl.torch.Network)
    torch.testing.assert_close(merged(image), trained, rtol=1e-4, atol=1e-5)
    assert list(merged.state_dict()) == list(resdsl.torch.module(network()).state_dict())
    assert_compiled_computes(merged, image, tmp_path)


def test_a_frozen_body_keeps_its_numbers_while_a_new_head_is_trained(image: Any) -> None:
    model = resdsl.torch.module(network(), outputs="logits")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.requires_grad_(False).eval()
    model.fc = torch.nn.Linear(model.fc.in_features, 4)
    loss = torch.nn.functional.cross_entropy(model(image), torch.arange(4))
    train(model, image, steps=20)
    assert torch.nn.functional.cross_entropy(model(image), torch.arange(4)) < loss < 4 * math.log(4)
    for name, tensor in model.state_dict().items():
        assert name.startswith("fc.") or torch.equal(tensor, before[name]), name


def test_features_are_taken_by_hooks_and_by_torchvision(image: Any) -> None:
    extraction = pytest.importorskip("torchvision.models.feature_extraction")
    model = resdsl.torch.module(network(), outputs="logits").eval()
    seen: dict[str, Any] = {}
    hook = model.layer1.register_forward_hook(lambda _module, _given, result: seen.update(hook=result.detach().clone()))
    model(image)
    hook.remove()
    found = extraction.create_feature_extractor(model, {"layer1": "features"})(image)["features"]
    torch.testing.assert_close(found, seen["hook"], rtol=0, atol=0)
