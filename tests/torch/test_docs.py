"""The fine-tuning of docs/pytorch.md, run with a small network on photographs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resdsl
import resdsl.torch

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch

PAGE = Path(__file__).parents[2] / "docs" / "pytorch.md"

SMALL = """
model small(classes = 3) {
  input image: f32[N, 3, 32, 32]
  preprocess { resize(32); crop(32); normalize(mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25]) }
  labels ["astronaut", "chelsea", "coffee"]
  conv1: conv(8, 3x3);  bn1: bn;  relu
  conv2: conv(16, 3x3, stride = 2);  bn2: bn;  relu
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""


def crops(folder: Path) -> None:
    """Parts of three photographs, each a class: different parts to train on and to evaluate on."""
    data = pytest.importorskip("skimage.data")
    from PIL import Image

    random = np.random.default_rng(0)
    for name in ("astronaut", "chelsea", "coffee"):
        photo = getattr(data, name)()
        for part, count in (("train", 32), ("test", 8)):
            target = folder / "photos" / part / name
            target.mkdir(parents=True)
            for number in range(count):
                rows = (0, photo.shape[0] // 2) if part == "train" else (photo.shape[0] // 2, photo.shape[0])
                top = random.integers(rows[0], rows[1] - 96)
                left = random.integers(0, photo.shape[1] - 96)
                Image.fromarray(photo[top : top + 96, left : left + 96]).save(target / f"{number}.png")


def test_the_fine_tuning_of_the_docs_trains_compiles_and_evaluates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torchvision")
    pytest.importorskip("safetensors.torch")
    (program,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    crops(tmp_path)
    (tmp_path / "photos.res").write_text(SMALL, encoding="utf-8")
    # A published head with another number of classes, as that of the hub.
    published = resdsl.torch.state_dict("photos.res", seed=5, set={"classes": 1000})
    torch.save(published, tmp_path / "published.pt")
    assert "hf:timm/resnet18.a1_in1k" in program
    program = program.replace("hf:timm/resnet18.a1_in1k", "published.pt")
    torch.manual_seed(0)
    space: dict[str, Any] = {}
    exec(compile(program, str(PAGE), "exec"), space)
    assert space["accuracy"].top1.accuracy >= 0.6  # a third of them by chance
    again = resdsl.torch.module("photos.res", weights="trained.safetensors", outputs="logits")
    for name, tensor in space["model"].state_dict().items():
        assert "num_batches_tracked" in name or torch.equal(tensor, again.state_dict()[name])
