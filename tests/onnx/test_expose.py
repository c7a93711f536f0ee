"""Values inside models: which of two models correspond, and models with additional outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

import resdsl
from resdsl.onnx.expose import Outline, same_values
from resdsl.runtime.session import open_session

NETWORK = """\
model net() {
  input x: f32[N, 3, 8, 8]
  conv1: conv(4, 3x3);  bn1: bn;  relu1: relu
  conv2: conv(4, 3x3, bias = true);  bn2: bn
  add_up: residual { inner: conv(4, 1x1);  norm: bn }
  avgpool(global)
  flatten
  fc: linear(5)
  output y
}
"""


def outline(folder: Path, level: int, text: str = NETWORK) -> Outline:
    path = folder / f"{level}.onnx"
    resdsl.compile(resdsl.loads(text), path, optimize=level)
    return Outline(path)


def test_values_are_those_of_nodes_in_order(tmp_path: Path) -> None:
    values = list(outline(tmp_path, 0).values.values())
    assert [(value.name, value.op) for value in values[:3]] == [
        ("conv1", "Conv"),
        ("bn1", "BatchNormalization"),
        ("relu1", "Relu"),
    ]
    assert values[2].reads == ("bn1",)
    assert [value.name for value in values if value.is_output] == ["y"]


def test_a_folded_layer_makes_the_value_of_its_batch_norm(tmp_path: Path) -> None:
    plain, folded = outline(tmp_path, 0), outline(tmp_path, 1)
    pairs = {ours.name: theirs.name for ours, theirs in same_values(plain, folded)}
    # The raw convolutions are no value of the folded network, whose layers bear their names.
    assert pairs.items() >= {"bn1": "conv1", "bn2": "conv2", "relu1": "relu1", "y": "y"}.items()
    assert "conv1" not in pairs
    assert "conv2" not in pairs
    assert {theirs.name: ours.name for theirs, ours in same_values(folded, plain)} == {b: a for a, b in pairs.items()}


def test_values_of_other_operators_are_not_the_same(tmp_path: Path) -> None:
    one = outline(tmp_path, 0)
    other = outline(tmp_path, 1, NETWORK.replace("relu1: relu", "relu1: sigmoid"))
    names = [ours.name for ours, _ in same_values(one, other)]
    assert "relu1" not in names
    assert "y" in names


@pytest.mark.parametrize("level", [0, 1])
def test_exposed_values_are_what_the_model_computes(level: int, tmp_path: Path) -> None:
    names = ["relu1", "conv2", "y"]
    content = outline(tmp_path, level).exposing(names)
    image = np.random.default_rng(0).standard_normal((2, 3, 8, 8), dtype=np.float32)
    values = open_session(content, device="cpu").run({"x": image}, names)
    model = onnx.load(tmp_path / f"{level}.onnx")
    for name, value in values.items():
        inner = onnx.ModelProto()
        inner.CopyFrom(model)
        del inner.graph.output[:]
        inner.graph.output.append(onnx.ValueInfoProto(name=name))
        (expected,) = ReferenceEvaluator(inner).run(None, {"x": image})
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4)


def test_what_is_no_model_has_no_values(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_bytes(b"this is not a model")
    with pytest.raises(ValueError, match=r".+"):
        Outline(path)
