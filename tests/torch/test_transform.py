"""The preprocessing as a transform is that of ``predict``, to the bit."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import resdsl
import resdsl.torch
from resdsl.diagnostics import RunError

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch


def photograph(size: tuple[int, int] = (301, 257)) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_what_predict_computes_is_what_the_module_computes_of_the_transform(tmp_path: Path) -> None:
    photograph().save(tmp_path / "photo.png")
    model = resdsl.torch.module("resnet18", outputs="probabilities").eval()
    transform = resdsl.torch.transform("resnet18")
    with torch.no_grad():
        ours = model(transform(tmp_path / "photo.png")[None])[0].numpy()
    (features,) = resdsl.predict("resnet18", [tmp_path / "photo.png"], output="probabilities", device="cpu")
    assert np.abs(ours - features.values).max() <= 1e-5 * np.abs(ours).max()


def test_the_tensor_equals_torchvision_s_transforms_to_the_bit() -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    theirs = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    image = photograph()
    assert torch.equal(resdsl.torch.transform("resnet18")(image), theirs(image))


def test_a_transform_is_pickled_and_made_of_a_module_too() -> None:
    transform = pickle.loads(pickle.dumps(resdsl.torch.transform(resdsl.torch.module("resnet_cifar"))))
    assert transform == resdsl.torch.transform("resnet_cifar")
    assert transform(photograph()).dtype is torch.float32


def test_a_network_without_preprocessing_is_an_error() -> None:
    text = "model m {\n  input x: f32[N, 3, 8, 8]\n  relu\n  output y\n}\n"
    with pytest.raises(RunError, match="does not say"):
        resdsl.torch.transform(resdsl.loads(text))
