"""Weights into a compiled file, and extracted again."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors.numpy

import resdsl
from resdsl.diagnostics import CompileError
from resdsl.weights.save import save_weights

TINY = """\
model tiny(classes = 3) {
  input image: f32[N, 3, 16, 16]
  conv1: conv(4, 3x3);  bn1: bn;  relu
  avgpool(global);  flatten
  fc: linear(classes)
  output logits
}
"""
SHAPES = {
    "conv1.weight": (4, 3, 3, 3),
    "bn1.weight": (4,),
    "bn1.bias": (4,),
    "bn1.running_mean": (4,),
    "bn1.running_var": (4,),
    "fc.weight": (3, 4),
    "fc.bias": (3,),
}


def tensors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    return {name: random.uniform(0.5, 1.5, shape).astype(np.float32) for name, shape in SHAPES.items()}


def saved(folder: Path, state: dict[str, np.ndarray], name: str = "w.safetensors") -> Path:
    safetensors.numpy.save_file(state, folder / name)
    return folder / name


def weights_of(model: Path) -> dict[str, np.ndarray]:
    return {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load(model).graph.initializer
        if ":" not in tensor.name
    }


def test_a_checkpoint_goes_in_as_it_is(tmp_path: Path) -> None:
    compiled = resdsl.compile(resdsl.loads(TINY), tmp_path / "m.onnx", weights=saved(tmp_path, tensors()))
    found = weights_of(tmp_path / "m.onnx")
    assert set(found) == set(SHAPES)
    for name, value in tensors().items():
        np.testing.assert_array_equal(found[name], value)
    assert compiled.match is not None
    assert (compiled.random, len(compiled.match.loaded)) == (0, 7)


def test_an_open_checkpoint_goes_in_and_stays_open(tmp_path: Path) -> None:
    with resdsl.read_weights(saved(tmp_path, tensors())) as checkpoint:
        for name in ("a", "b"):
            resdsl.compile(resdsl.loads(TINY), tmp_path / name, weights=checkpoint)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    resdsl.compile(resdsl.loads(TINY), tmp_path / "m.onnx", weights=saved(tmp_path, tensors()))
    out = save_weights(tmp_path / "m.onnx", tmp_path / "out.safetensors")
    assert out.tensors == 7
    found = safetensors.numpy.load_file(tmp_path / "out.safetensors")
    assert set(found) == set(SHAPES)
    for name, value in tensors().items():
        np.testing.assert_array_equal(found[name], value)


def test_a_misfit_stops_it_and_keeps_the_good_file(tmp_path: Path) -> None:
    state = tensors()
    del state["bn1.running_var"]
    (tmp_path / "m.onnx").write_bytes(b"precious")
    with pytest.raises(CompileError) as caught:
        resdsl.compile(resdsl.loads(TINY), tmp_path / "m.onnx", weights=saved(tmp_path, state))
    assert all(found.code.id.startswith("E07") for found in caught.value.diagnostics.errors)
    assert (tmp_path / "m.onnx").read_bytes() == b"precious"


def test_a_part_is_taken_where_that_is_wanted(tmp_path: Path) -> None:
    weights = saved(tmp_path, tensors())
    compiled = resdsl.compile(
        resdsl.loads(TINY, set={"classes": 5}), tmp_path / "m.onnx", weights=weights, partial=True
    )
    assert compiled.random == 2
    assert compiled.diagnostics.warnings
    found = weights_of(tmp_path / "m.onnx")
    assert found["fc.weight"].shape == (5, 4)
    np.testing.assert_array_equal(found["conv1.weight"], tensors()["conv1.weight"])


def test_names_are_changed_by_renames(tmp_path: Path) -> None:
    state = {name.replace("bn1", "norm"): value for name, value in tensors().items()}
    compiled = resdsl.compile(
        resdsl.loads(TINY), tmp_path / "m.onnx", weights=saved(tmp_path, state), renames={"norm": "bn1"}
    )
    assert compiled.random == 0


def test_the_file_records_the_origin_of_its_weights(tmp_path: Path) -> None:
    resdsl.compile(resdsl.loads(TINY), tmp_path / "m.onnx", weights=saved(tmp_path, tensors()), seed=3)
    (origin,) = [
        entry.value for entry in onnx.load(tmp_path / "m.onnx").metadata_props if entry.key == "resdsl.weights"
    ]
    # Nothing was drawn, so the seed says nothing.
    assert json.loads(origin) == {"checkpoint": "w.safetensors", "tensors": 7}


def test_weights_of_the_other_variant_are_reported(tmp_path: Path) -> None:
    compiled = resdsl.compile(resdsl.load("resnet50_v1"), tmp_path / "v1.onnx", init="zeros")
    assert not compiled.diagnostics.warnings
    # As torchvision names its files, and without the metadata that says of which network they really are.
    weights = saved(tmp_path, weights_of(tmp_path / "v1.onnx"), "resnet50-0676ba61.safetensors")
    compiled = resdsl.compile(resdsl.load("resnet50"), tmp_path / "m.onnx", weights=weights)
    assert not compiled.diagnostics.warnings
    compiled = resdsl.compile(resdsl.load("resnet50_v1"), tmp_path / "m.onnx", weights=weights)
    assert [found.code.id for found in compiled.diagnostics.warnings] == ["W0701"]


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "E0801"), (b"", "E0805"), (b"\x00\x01\x02\x03" * 40, "E0702"), (b"<!DOCTYPE html><html>", "E0702")],
)
def test_a_file_that_holds_no_weights(tmp_path: Path, content: bytes | None, code: str) -> None:
    if content is not None:
        (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(CompileError) as caught:
        resdsl.read_weights(tmp_path / "w.pth")
    (found,) = caught.value.diagnostics
    assert found.code.id == code
    with pytest.raises(CompileError):
        resdsl.compile(resdsl.loads(TINY), tmp_path / "m.onnx", weights=tmp_path / "w.pth")
    assert not (tmp_path / "m.onnx").exists()


STRIDED = """\
use "std/residual.res" (bottleneck)
model net(stride_in: {{conv1, conv2}} = {place}) {{
  input image: f32[N, 3, 16, 16]
  stage layer1(stride = 2) {{ 2 x bottleneck(8, stride_in = stride_in) }}
  avgpool(global);  flatten
  fc: linear(3)
  output logits
}}
"""


@pytest.mark.parametrize(("ours", "theirs", "warned"), [("conv1", "conv2", True), ("conv2", "conv2", False)])
def test_weights_of_a_model_remember_where_its_stride_was(tmp_path: Path, ours: str, theirs: str, warned: bool) -> None:
    resdsl.compile(resdsl.loads(STRIDED.format(place=theirs)), tmp_path / "theirs.onnx")
    save_weights(tmp_path / "theirs.onnx", tmp_path / "w.safetensors")
    compiled = resdsl.compile(
        resdsl.loads(STRIDED.format(place=ours)), tmp_path / "ours.onnx", weights=tmp_path / "w.safetensors"
    )
    assert [found.code.id for found in compiled.diagnostics] == (["W0701"] if warned else [])
