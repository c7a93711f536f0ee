"""``resdsl verify`` against models of PyTorch."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import resdsl
import resdsl.torch
from resdsl.cli.app import app

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch

NET = """
model small {
  input image: f32[N, 3, H, W]
  conv1: conv(8, 3x3);  bn1: bn;  relu
  avgpool(global);  flatten
  fc: linear(5)
  output logits
  softmax
  output probabilities
}
"""

MODEL = """
import torch
from torch import nn

class Small(nn.Module):
    def __init__(self, eps=1e-5, activation=nn.ReLU, classes=5):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8, eps=eps)
        self.relu = activation()
        self.fc = nn.Linear(8, classes)

    def forward(self, x):
        return self.fc(self.relu(self.bn1(self.conv1(x))).mean((2, 3)))

def other_eps(): return Small(eps=1e-3)
def other_activation(): return Small(activation=nn.LeakyReLU)
def other_shape(): return Small(classes=6)
def fails(): raise KeyError("weights of the day")
def leaves(): raise SystemExit(0)
def number(): return 3
nested = {"a": Small}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.res").write_text(NET, encoding="utf-8")
    (tmp_path / "models.py").write_text(MODEL, encoding="utf-8")
    return tmp_path


def verify(folder: Path, name: str, *options: str) -> Any:
    return CliRunner().invoke(app, ["verify", str(folder / "net.res"), f"{folder / 'models.py'}:{name}", *options])


def test_the_same_network_is_verified_and_the_command_says_that_it_runs_code(folder: Path) -> None:
    done = verify(folder, "Small")
    assert done.exit_code == 0
    assert "is the network of" in done.stdout and done.stdout.count("\n") == 1
    assert "importing and running" in done.stderr


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("other_eps", "something else from `bn1` on"),
        ("other_activation", "the module computes `leaky_relu()` in `relu` there"),
        ("other_shape", "`fc.weight` [6, 8] instead of [5, 8]"),
    ],
)
def test_a_difference_is_an_error_with_the_first_value(folder: Path, name: str, found: str) -> None:
    done = verify(folder, name)
    assert done.exit_code == 1
    assert "E0854" in done.stderr and found in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("fails", "KeyError: 'weights of the day'"),
        ("leaves", "SystemExit"),
        ("number", "it is a `int`"),
        ("nothing", "AttributeError"),
    ],
)
def test_code_that_makes_no_module_is_an_error(folder: Path, name: str, found: str) -> None:
    done = verify(folder, name)
    assert done.exit_code == 1
    assert "E0855" in done.stderr and found in " ".join(done.stderr.split())


def test_a_module_is_verified_and_not_changed() -> None:
    specification = resdsl.loads(NET)
    model = resdsl.torch.module(specification).train()
    state = copy.deepcopy(model.state_dict())
    assert resdsl.verify(specification, model).agrees
    assert model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, state[name])
    model.fc = torch.nn.Linear(8, 6)
    assert not resdsl.verify(specification, model).agrees


@pytest.mark.parametrize(
    ("name", "agrees"),
    [("torchvision.models:resnet18", True), ("torchvision.models:resnet34", False)],
)
def test_a_network_of_torchvision(name: str, agrees: bool) -> None:
    pytest.importorskip("torchvision")
    assert resdsl.verify("resnet18", name).agrees is agrees


def test_a_stride_in_another_place_is_found_where_it_is() -> None:
    pytest.importorskip("torchvision")
    (error,) = resdsl.verify("resnet50_v1", "torchvision.models:resnet50").diagnostics.errors
    assert "from `layer2.0.conv1` on" in error.message
    assert (
        error.notes[0]
        == "the module computes `convolution(stride=[1, 1], dilation=[1, 1], groups=1)` in `layer2.0.conv1` there"
    )
