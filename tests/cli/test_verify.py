"""``resdsl verify``: ONNX files and files of weights. Models of PyTorch are in tests/torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

import resdsl
from resdsl.cli.app import app

NET = """
model small(width = 8) {
  input image: f32[N, 3, 16, 16]
  conv1: conv(width, 3x3);  bn1: bn;  relu
  avgpool(global);  flatten
  fc: linear(5)
  output logits
}
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.res"
    path.write_text(NET, encoding="utf-8")
    return path


def verify(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)])


@pytest.mark.parametrize("level", [0, 1])
def test_an_export_is_the_network_also_with_folded_norms(net: Path, level: int) -> None:
    resdsl.compile(net, net.with_suffix(".onnx"), optimize=level)
    done = verify(net, net.with_suffix(".onnx"))
    assert done.exit_code == 0
    assert "is the network of" in done.stdout


def test_an_export_of_another_network_is_refused_with_the_command_that_shows_why(net: Path) -> None:
    resdsl.compile(resdsl.load(net, set={"width": 16}), net.with_suffix(".onnx"))
    done = verify(net, net.with_suffix(".onnx"))
    assert done.exit_code == 1
    assert "E0854" in done.stderr and "resdsl diff" in done.stderr
    assert verify(net, net.with_suffix(".onnx"), "--set", "width=16").exit_code == 0


def test_a_comment_has_the_result_the_error_and_the_review(net: Path, tmp_path: Path) -> None:
    resdsl.compile(resdsl.load(net, set={"width": 16}), net.with_suffix(".onnx"))
    done = verify(net, net.with_suffix(".onnx"), "--format", "markdown", "-o", tmp_path / "comment.md")
    assert done.exit_code == 1
    text = (tmp_path / "comment.md").read_text(encoding="utf-8")
    assert text.startswith("**small**: ⚠️ ")
    assert "! `" in text
    # The form of `diff`: totals, and the layers.
    assert resdsl.verify(net, net.with_suffix(".onnx")).markdown == text
    assert "| parameters |" in text and "~ conv1" in text.replace("! conv1", "~ conv1")
    same = verify(net, net.with_suffix(".onnx"), "--format", "markdown", "--set", "width=16")
    assert same.exit_code == 0
    assert same.stdout.startswith("**small**: ") and "⚠️" not in same.stdout


def test_weights_have_the_names_and_shapes(net: Path, tmp_path: Path) -> None:
    resdsl.compile(net, tmp_path / "net.onnx")
    resdsl.save_weights(tmp_path / "net.onnx", tmp_path / "weights.safetensors")
    done = verify(net, tmp_path / "weights.safetensors", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["agrees"] is True
    other = verify(net, tmp_path / "weights.safetensors", "--set", "width=4")
    assert other.exit_code == 1
    assert "does not have the tensors" in other.stdout


def test_a_missing_tensor_is_an_error(net: Path, tmp_path: Path) -> None:
    tensors = {name: np.zeros(one.shape, np.float32) for name, one in resdsl.load(net).graph.parameters.items()}
    del tensors["fc.bias"]
    np.savez(tmp_path / "weights.npz", **tensors)
    done = verify(net, tmp_path / "weights.npz")
    assert done.exit_code == 1
    assert "fc.bias" in done.stderr


def test_a_file_that_does_not_exist_is_an_error_and_not_imported(net: Path) -> None:
    done = verify(net, "missing.pth")
    assert done.exit_code == 2
    assert "E0801" in done.stderr


def test_an_existing_file_with_a_colon_in_its_name_is_read_and_not_run(net: Path, tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')", encoding="utf-8")
    (tmp_path / "evil.py:f").write_text("no weights", encoding="utf-8")
    done = verify(net, tmp_path / "evil.py:f")
    assert done.exit_code != 0
    assert "SystemExit" not in done.stderr
    assert "importing" not in done.stderr
