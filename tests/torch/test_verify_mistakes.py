"""``resdsl verify`` names the line of the text for each way in which a copy of a network in PyTorch drifts from it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import resdsl
import resdsl.torch
from resdsl.diagnostics import Diagnostic

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch

NET = """\
block unit(width, stride = 1) {
  residual {
    conv1: conv(width, 3x3, stride = stride)
    bn1: bn
    relu
    conv2: conv(width, 3x3)
    bn2: bn
  } shortcut {
    downsample: { 0: conv(width, 1x1, stride = stride);  1: bn }
  }
  relu
}

model small {
  input image: f32[N, 3, 32, 32]
  conv1: conv(8, 3x3)
  bn1: bn
  relu
  maxpool(3x3, stride = 2)
  layer1: unit(16, stride = 2)
  layer2: unit(32)
  avgpool(global)
  flatten
  fc: linear(5)
  output logits
  softmax
  output probabilities
}
"""

MODEL = """
import torch
from torch import nn
from torch.nn import functional as F

class Unit(nn.Module):
    def __init__(self, inner, width, stride=1, *, activation=F.relu, stride_in=1, bias=False, middle=None):
        super().__init__()
        middle = middle or width
        self.conv1 = nn.Conv2d(inner, middle, 3, stride if stride_in == 1 else 1, 1, bias=bias)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, width, 3, stride if stride_in == 2 else 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = nn.Sequential(nn.Conv2d(inner, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        self.activation = activation

    def forward(self, x):
        y = self.activation(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))

class Swapped(Unit):
    def forward(self, x):
        y = self.bn1(F.relu(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))

class NoShortcut(Unit):
    def forward(self, x):
        self.downsample(x)
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))

class Small(nn.Module):
    def __init__(self, unit=Unit, pool=3, eps=1e-5, last=None, gap=True, **options):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8, eps=eps)
        self.pool = nn.MaxPool2d(pool, 2, pool // 2)
        self.layer1 = Unit(8, 16, 2)
        self.layer2 = unit(16, 32, **options)
        self.fc = nn.Linear(32, 5)
        self.last = last or nn.Identity()
        self.gap = gap

    def forward(self, x):
        x = self.layer2(self.layer1(self.pool(F.relu(self.bn1(self.conv1(x)), inplace=True))))
        x = x.mean((2, 3)) if self.gap else x.amax((2, 3))
        return self.last(self.fc(x))

class Renamed(Small):
    def __init__(self):
        super().__init__()
        for unit in (self.layer1, self.layer2):
            unit.norm1 = unit.bn1
            del unit.bn1
    def forward(self, x):
        raise NotImplementedError

same = Small
def gelu(): return Small(activation=F.gelu)
def stride(): return Small(stride=2)
def stride_in():
    model = Small()
    model.layer1 = Unit(8, 16, 2, stride_in=2)
    return model
def swapped(): return Small(unit=Swapped)
def no_shortcut(): return Small(unit=NoShortcut)
def pool(): return Small(pool=2)
def eps(): return Small(eps=1e-3)
def largest(): return Small(gap=False)
def sigmoid(): return Small(last=nn.Sigmoid())
def dilation():
    model = Small()
    model.layer2.conv2.dilation = model.layer2.conv2.padding = (2, 2)
    return model
def bias(): return Small(bias=True)
def width(): return Small(middle=24)
renamed = Renamed
def fewer():
    model = Small()
    model.layer2.downsample = nn.Identity()
    return model
"""


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Diagnostic]]:
    folder = tmp_path_factory.mktemp("models")
    (folder / "models.py").write_text(MODEL, encoding="utf-8")
    specification = resdsl.loads(NET, name="small.res")

    def verified(name: str) -> list[Diagnostic]:
        return resdsl.verify(specification, f"{folder / 'models.py'}:{name}").diagnostics.errors

    return verified


def line(text: str) -> int:
    """The line of the text that begins so, in its first block or model."""
    return next(number for number, one in enumerate(NET.splitlines(), 1) if one.strip().startswith(text))


def test_the_network_is_verified_however_it_is_written(errors: Any) -> None:
    assert errors("same") == []


@pytest.mark.parametrize(
    ("name", "at", "path", "instead"),
    [
        ("gelu", line("relu"), "layer2.relu", "gelu"),
        ("stride", line("conv1: conv(width"), "layer2.conv1", "convolution(stride=[2, 2]"),
        ("stride_in", line("conv1: conv(width"), "layer1.conv1", "convolution(stride=[1, 1]"),
        ("swapped", line("bn1: bn"), "layer2.bn1", "relu"),
        ("no_shortcut", line("residual"), "layer2.add", "relu"),
        ("pool", line("maxpool"), "maxpool", "max_pool2d_with_indices(kernel_size=[2, 2]"),
        ("eps", NET.splitlines().index("  bn1: bn") + 1, "bn1", "native_batch_norm(momentum=0.1, eps=0.001)"),
        ("largest", line("avgpool"), "avgpool", "amax(dim=[2, 3]"),
        (
            "dilation",
            line("conv2: conv(width"),
            "layer2.conv2",
            "convolution(stride=[1, 1], padding=[2, 2], dilation=[2, 2]",
        ),
    ],
)
def test_another_computation_is_named_with_its_line_and_what_is_there(
    errors: Any, name: str, at: int, path: str, instead: str
) -> None:
    (error,) = errors(name)
    assert error.primary is not None
    assert (error.primary.span.position.line, f"from `{path}` on" in error.message) == (at, True), error
    assert f"the module computes `{instead}" in error.notes[0], error
    assert [call.path for call in error.chain] == ([path.rpartition(".")[0]] if "." in path else [])


def test_what_comes_after_the_last_operator_is_named(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODEL, encoding="utf-8")
    text = NET.partition("  softmax")[0] + "}\n"
    (error,) = resdsl.verify(resdsl.loads(text), f"{tmp_path / 'models.py'}:sigmoid").diagnostics.errors
    assert error.message.endswith("computes `sigmoid()` in `last` after `fc`")
    assert error.primary is not None
    assert error.primary.span.position.line == line("fc")


def test_a_comment_has_the_line_and_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODEL, encoding="utf-8")
    text = resdsl.verify(resdsl.loads(NET, name="small.res"), f"{tmp_path / 'models.py'}:gelu").markdown
    assert text.startswith("**small**: ⚠️ ")
    assert "\n      small.res:5:5: relu\n" in text
    assert "\n      in layer2: unit(width = 32, stride = 1) (small.res:21:11)\n" in text
    assert "the module computes `gelu()` in `layer2` there" in text


@pytest.mark.parametrize(
    ("name", "at", "found"),
    [
        ("bias", line("conv1: conv(width"), "has a bias in `layer2.conv1`"),
        ("width", line("conv1: conv(width"), "`layer2.conv1.weight` [24, 16, 3, 3] instead of [32, 16, 3, 3]"),
        ("renamed", line("bn1: bn"), "other names for 8 tensors: `norm1` is `bn1` in the text"),
        ("fewer", line("downsample"), "lacks `layer2.downsample.0.weight`"),
    ],
)
def test_other_tensors_are_named_with_the_line_of_their_layer(errors: Any, name: str, at: int, found: str) -> None:
    (error,) = errors(name)
    assert found in error.message
    assert error.primary is not None
    assert error.primary.span.position.line == at
