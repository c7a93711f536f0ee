"""Exported code is run by PyTorch: the tensors and the numbers of the module that a specification makes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import resdsl
from resdsl.tools.export.export import Exported
from resdsl.tools.export.names import RESERVED

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch

LIGHT = {"resnet18", "mobilenet_v2", "googlenet", "resnet_cifar", "densenet_cifar"}
NETWORKS = [pytest.param(one.name, marks=pytest.mark.parity(heavy=one.name not in LIGHT)) for one in resdsl.specs()]

BATCH = 2

SIZE = 64
"""Height and width of the input where they are not fixed."""


def class_of(exported: Exported, file: Path) -> Any:
    """The class of the model in a file."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, exported.name)


def require_equal(name: str, file: Path, **arguments: Any) -> None:
    """Both have the same tensors, and compute the same from them, at inference and in training."""
    specification = resdsl.load(name, set=arguments)
    exported = resdsl.export(name, file)
    model = class_of(exported, file)(**arguments)
    expected = resdsl.torch.module(specification, seed=1)
    tensors = expected.state_dict()
    assert {key: value.shape for key, value in model.state_dict().items()} == {
        key: value.shape for key, value in tensors.items()
    }
    model.load_state_dict(tensors)
    shape = specification.graph.input.type.shape
    sizes = [size if isinstance(size, int) else SIZE for size in shape[1:]]
    image = torch.randn([BATCH, *sizes], generator=torch.Generator().manual_seed(0))
    for training in (False, True):
        found = [run(each.train(training), image) for each in (model, expected)]
        assert list(found[0]) == list(found[1])
        for output, value in found[1].items():
            difference = (found[0][output] - value).abs().max()
            assert difference <= 1e-5 * value.abs().max(), (output, training)


def run(model: Any, image: Any) -> dict[str, Any]:
    torch.manual_seed(0)  # dropout
    with torch.no_grad():
        found = model(image)
    return found if isinstance(found, dict) else {"": found}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_code_of_a_built_in_network_is_its_module(name: str, tmp_path: Path) -> None:
    require_equal(name, tmp_path / "net.py")


def test_arguments_of_the_class_are_those_of_the_text(tmp_path: Path) -> None:
    require_equal("resnet_cifar", tmp_path / "net.py", n=2, classes=7)
    require_equal("densenet_cifar", tmp_path / "dense.py", depth=22, growth=8, dropout_rate=0.2)


def test_the_code_is_typed(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    for name in (*LIGHT, "resnet50_fpn", "seresnet50", "resnetv2_50", "inception_v3", "vgg19", "wrn_16_8"):
        resdsl.export(name, tmp_path / f"{name}.py")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_attribute_of_a_module_is_overlooked() -> None:
    names = {name for name in (*dir(torch.nn.Module()), *dir(torch.nn.Sequential())) if not name.startswith("__")}
    assert names <= RESERVED


def test_a_reserved_label_is_a_module_all_the_same(tmp_path: Path) -> None:
    text = """
    model net() {
      input x: f32[N, 3, 8, 8]
      half: conv(4, 3x3);  relu
      part: { train: conv(4, 3x3); class.a: conv(4, 1x1) }
      residual { 0: conv(4, 3x3) }
      output y
    }
    """.replace("class.a", "a.b")
    file = tmp_path / "net.res"
    file.write_text(text)
    require_equal(str(file), tmp_path / "net.py")
