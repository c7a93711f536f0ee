"""Weights to safetensors, read back by the library that defines the format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import safetensors
import safetensors.numpy
from onnx import numpy_helper

from resdsl.weights.checkpoint import CheckpointError
from resdsl.weights.save import TensorHeader, save_safetensors, save_weights

WEIGHTS = {
    "layer1.0.conv1.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "fc.bias": np.array([0.5], np.float32),
    "scalar": np.array(2, np.float32),
}


def model(folder: Path) -> Path:
    """An ONNX model as ours are: weights by their paths, constants with a colon in their names."""
    arrays = {**WEIGHTS, "stem:pads": np.ones(2, np.float32), "shape": np.ones(2, np.int64)}
    protos = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    made = onnx.helper.make_model(onnx.helper.make_graph([], "net", [], [], initializer=protos))
    onnx.helper.set_model_props(made, {"resdsl.model": "net", "author": "someone"})
    onnx.save(made, folder / "m.onnx")
    return folder / "m.onnx"


def test_the_weights_of_a_model_are_saved_with_its_metadata(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    saved = save_weights(model(tmp_path), path)
    found = safetensors.numpy.load_file(path)
    assert found.keys() == WEIGHTS.keys()
    for name, value in WEIGHTS.items():
        np.testing.assert_array_equal(found[name], value, strict=True)
    with safetensors.safe_open(path, framework="numpy") as file:
        assert file.metadata() == {"resdsl.model": "net"}
    assert (saved.tensors, saved.values, saved.bytes) == (3, 14, path.stat().st_size)


def test_floats_of_other_sizes_are_saved_as_float32(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", half=np.array([1.5], np.float16), count=np.array([1]))
    save_weights(tmp_path / "w.npz", tmp_path / "w.safetensors")
    found = safetensors.numpy.load_file(tmp_path / "w.safetensors")
    assert {name: (value.dtype.name, value.tolist()) for name, value in found.items()} == {"half": ("float32", [1.5])}


def test_the_tensors_of_a_file_begin_at_a_multiple_of_eight_bytes(tmp_path: Path) -> None:
    for length in range(1, 9):
        path = tmp_path / "w.safetensors"
        save_safetensors(path, [TensorHeader("x" * length, (1,))], [np.ones(1, np.float32)], {})
        assert int.from_bytes(path.read_bytes()[:8], "little") % 8 == 0
        assert safetensors.numpy.load_file(path)["x" * length] == 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_tensors_are_written_in_c_order_as_they_come(tmp_path: Path, dtype: str) -> None:
    array = np.asfortranarray(np.arange(6, dtype=dtype).reshape(2, 3))
    save_safetensors(
        tmp_path / "w.safetensors", [TensorHeader("a", (2, 3), dtype)], iter([array]), {"b": "1", "a": "ü"}
    )
    np.testing.assert_array_equal(safetensors.numpy.load_file(tmp_path / "w.safetensors")["a"], array, strict=True)


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    for name, metadata in (("a", {"x": "1", "y": "2"}), ("b", {"y": "2", "x": "1"})):
        save_safetensors(tmp_path / name, [TensorHeader("w", (1,))], [np.ones(1, np.float32)], metadata)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_goes_wrong_on_the_way_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"old")

    def values() -> Iterator[np.ndarray]:
        yield np.ones(1, np.float32)
        raise CheckpointError.damaged("w", "a test")

    with pytest.raises(CheckpointError):
        save_safetensors(path, [TensorHeader("a", (1,)), TensorHeader("b", (1,))], values(), {})
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("w.safetensors", b"old")]


def test_a_tensor_of_another_shape_than_announced_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a should be float32"):
        save_safetensors(tmp_path / "w", [TensorHeader("a", (2,))], [np.ones(1, np.float32)], {})
    assert not list(tmp_path.iterdir())


def test_a_file_without_floats_has_no_weights_to_save(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", count=np.array([1]))
    with pytest.raises(CheckpointError) as caught:
        save_weights(tmp_path / "w.npz", tmp_path / "w.safetensors")
    assert caught.value.diagnostic.code.id == "E0716"
