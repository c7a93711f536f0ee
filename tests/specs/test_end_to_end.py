"""From a file of weights and a specification to logits, as a user goes: through `compile` and ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import save_file

import resdsl

from .running import image_of, reference_weights
from .shipped import ROOT, reference

NETWORKS = [
    pytest.param(name, marks=pytest.mark.parity(heavy=name in ("resnet101", "resnet152")))
    for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
]


def checkpoint(name: str, folder: Path) -> Path:
    """The reference's weights under the names of torchvision's state dict, as torchvision itself would save them."""
    wanted = reference(name)
    weights = reference_weights(wanted["state_dict"], tuple(wanted["bn_gamma"]))
    path = folder / f"{name}.safetensors"
    save_file(
        {
            key: np.zeros((), np.int64) if key.endswith("num_batches_tracked") else weights(key)
            for key in wanted["state_dict"]
        },
        path,
    )
    return path


def run(model: Path, image: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["logits"], {"image": image})[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_compiled_file_gives_the_reference_s_logits(name: str, tmp_path: Path) -> None:
    wanted = reference(name)
    specification = resdsl.load(ROOT / "specs" / f"{name}.res")

    compiled = resdsl.compile(specification, tmp_path / "model.onnx", weights=checkpoint(name, tmp_path))

    assert compiled.random == 0
    expected = np.array(wanted["logits"], dtype=np.float32)
    found = run(tmp_path / "model.onnx", image_of(wanted["input"]))
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_symbolic_sizes_run_at_any_size_and_equal_the_fixed_ones(tmp_path: Path) -> None:
    weights = checkpoint("resnet50", tmp_path)
    path = ROOT / "specs" / "resnet50.res"
    resdsl.compile(resdsl.load(path, input_shape=("N", 3, "H", "W")), tmp_path / "any.onnx", weights=weights)
    for size in (224, 320):
        resdsl.compile(resdsl.load(path, input_shape=("N", 3, size, size)), tmp_path / "fixed.onnx", weights=weights)
        image = image_of((1, 3, size, size))
        fixed = run(tmp_path / "fixed.onnx", image)
        assert np.abs(run(tmp_path / "any.onnx", image) - fixed).max() <= 1e-5 * np.abs(fixed).max()
