"""Exported code is run by PyTorch: the tensors and the numbers of the module that a specification makes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import resdsl
from resdsl.tools.export.names import RESERVED

from .agreement import largest_deviation
from .table import counts, original

torch = pytest.importorskip("torch", reason="torch is not installed: tests/with_torch.sh installs and runs it")

pytestmark = pytest.mark.torch

LIGHT = {"resnet18", "mobilenet_v2", "googlenet", "resnet_cifar", "densenet_cifar"}
NETWORKS = [pytest.param(one.name, marks=pytest.mark.parity(heavy=one.name not in LIGHT)) for one in resdsl.specs()]


def require_equal(name: str, file: Path, **arguments: Any) -> None:
    """Both have the same tensors, and compute the same from them, at inference and in training."""
    exported = resdsl.export(name, file)
    assert largest_deviation(resdsl.load(name, set=arguments), exported, file, **arguments) <= 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_the_code_of_a_built_in_network_is_its_module(name: str, tmp_path: Path) -> None:
    require_equal(name, tmp_path / "net.py")


def test_arguments_of_the_class_are_those_of_the_text(tmp_path: Path) -> None:
    require_equal("resnet_cifar", tmp_path / "net.py", n=2, classes=7)
    require_equal("densenet_cifar", tmp_path / "dense.py", depth=22, growth=8, dropout_rate=0.2)


def test_the_code_is_typed(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    for one in resdsl.specs():
        resdsl.export(one.name, tmp_path / f"{one.name}.py")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_code_is_not_longer_than_what_it_comes_from() -> None:
    pytest.importorskip("torchvision")
    pytest.importorskip("timm")
    compared = 0
    for one in resdsl.specs():
        theirs = original(one.name)
        if theirs is None:
            continue
        compared += 1
        ours = counts(resdsl.export(one.name).text)
        assert ours.code <= 1.2 * theirs.code and ours.every <= 1.2 * theirs.every, one.name
    # Without the packages that the other originals are from.
    assert compared >= 33


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
