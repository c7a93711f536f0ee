"""``resdsl weights``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import resdsl
from resdsl.cli.app import app

TINY = "model net { input x: f32[N, 3, 8, 8]; conv1: conv(4, 3x3); output y }\n"


@pytest.mark.parametrize("name", ["net.npz", "net.PTH", "net.onnx"])
def test_weights_are_not_called_like_a_file_that_they_are_not(name: str, tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    resdsl.compile(resdsl.loads(TINY), model)
    before = model.read_bytes()
    done = CliRunner().invoke(app, ["weights", str(model), "-o", str(tmp_path / name)])
    assert done.exit_code == 2
    assert "written as .safetensors" in done.stderr
    assert list(tmp_path.iterdir()) == [model]
    assert model.read_bytes() == before
