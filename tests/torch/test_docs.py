"""The program of docs/fine_tuning.md, run as it stands: a hub, a small network, and photographs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resdsl
import resdsl.torch

from ..weights.remote.conftest import Server, hub, server, weights

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch

__all__ = ["hub", "server", "weights"]

PAGE = Path(__file__).parents[2] / "docs" / "fine_tuning.md"

# The layers of the built-in ResNet-18 at its two ends. In a file of its name it stands for it, and trains in seconds.
SMALL = """
use "std/residual.res" (basic)

model resnet18(classes = 1000) {
  input image: f32[N, 3, 32, 32]
  preprocess { resize(32); crop(32); normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25]) }
  conv1: conv(8, 3x3);  bn1: bn;  relu
  stage layer1             { basic(8)  }
  stage layer2(stride = 2) { basic(16) }
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
  softmax
  output probabilities
}
"""

CLASSES = ("brick", "chelsea", "coffee", "grass", "rocket")


def crops(folder: Path) -> None:
    """Parts of photographs, each a class: different halves to train on and to evaluate on."""
    data = pytest.importorskip("skimage.data")
    from PIL import Image

    random = np.random.default_rng(0)
    for name in CLASSES:
        photo = getattr(data, name)()
        for part, count in (("train", 32), ("test", 10)):
            target = folder / "photos" / part / name
            target.mkdir(parents=True)
            for number in range(count):
                rows = (0, photo.shape[0] // 2) if part == "train" else (photo.shape[0] // 2, photo.shape[0])
                top = random.integers(rows[0], rows[1] - 96)
                left = random.integers(0, photo.shape[1] - 96)
                Image.fromarray(photo[top : top + 96, left : left + 96]).convert("RGB").save(target / f"{number}.png")


def program() -> str:
    (found,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return str(found)


@pytest.fixture
def published(hub: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the photographs, where the address of the page has weights for 1000 classes."""
    from safetensors.torch import save

    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet18").write_text(SMALL, encoding="utf-8")
    hub.owned = "timm/resnet18.a1_in1k"
    hub.repository["model.safetensors"] = save(resdsl.torch.state_dict("resnet18", seed=5))
    crops(tmp_path)
    return tmp_path


def test_the_fine_tuning_of_the_docs_trains_compiles_and_evaluates(published: Path) -> None:
    pytest.importorskip("torchvision")
    torch.manual_seed(0)
    space: dict[str, Any] = {}
    with pytest.warns(UserWarning, match="has 1,000 classes, the network 5"):
        exec(compile(program(), str(PAGE), "exec"), space)
    network = space["network"]
    # The same network as it started, on the same images that training did not see.
    with pytest.warns(UserWarning, match="has 1,000 classes"):
        start = resdsl.torch.state_dict(network, weights="hf:timm/resnet18.a1_in1k")
    torch.save(start, published / "start.pth")
    resdsl.compile(network, "start.onnx", weights="start.pth", labels=CLASSES)
    before = resdsl.evaluate("start.onnx", "photos/test").top1.accuracy
    after = space["evaluation"].top1.accuracy
    assert before <= 0.4  # a fifth by chance
    assert after >= max(0.7, before + 0.3)
    again = resdsl.torch.module(network, weights="trained.safetensors")
    for name, tensor in space["model"].state_dict().items():
        assert "num_batches_tracked" in name or torch.equal(tensor, again.state_dict()[name])


def test_the_call_of_the_docs_starts_from_the_published_weights_of_the_built_in_network(
    hub: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import save

    monkeypatch.chdir(tmp_path)
    published = resdsl.torch.state_dict("resnet18", seed=3)
    hub.owned = "timm/resnet18.a1_in1k"
    hub.repository["model.safetensors"] = save(published)
    (call,) = re.findall(r"^model = (.*)$", program(), re.MULTILINE)
    with pytest.warns(UserWarning, match="classifier with another number of classes") as warned:
        model = eval(call, {"resdsl": resdsl})
    assert warned[0].filename == "<string>"  # the line of the user's program
    assert (model.fc.in_features, model.fc.out_features) == (512, 5)
    for name, tensor in model.state_dict().items():
        if "num_batches_tracked" not in name and not name.startswith("fc."):
            assert torch.equal(tensor, published[name])
    fresh = resdsl.torch.state_dict("resnet18", set={"classes": 5})
    assert torch.equal(model.fc.weight, fresh["fc.weight"])
