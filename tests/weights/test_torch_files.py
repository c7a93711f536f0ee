"""Files that torch wrote, against what torch reads in them (``data/make_fixtures.py`` made both)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from resdsl.weights.checkpoint import Checkpoint, CheckpointError
from resdsl.weights.formats.open import open_checkpoint

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(DATA / "expected.npz", allow_pickle=False) as file:
        return dict(file)


def tensors(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    return {key: checkpoint.read(key) for key in checkpoint.tensors}


READABLE = [
    *("zip.pth", "legacy.pth", "protocol4.pt", "legacy_protocol4.pt", "parameter.pth", "views.pth", "views_legacy.pth"),
    *("float16.pth", "bfloat16.pth", "float64.pth", "training.pth"),
    *("float16_legacy.pth", "bfloat16_legacy.pth", "float64_legacy.pth"),
]


@pytest.mark.parametrize("name", READABLE)
def test_every_tensor_is_what_torch_reads(name: str, expected: dict[str, np.ndarray]) -> None:
    wanted = {key.removeprefix(f"{name}/"): value for key, value in expected.items() if key.startswith(f"{name}/")}
    assert wanted
    with open_checkpoint(DATA / name) as checkpoint:
        found = tensors(checkpoint)
        assert list(found) == list(wanted)
        for key, value in wanted.items():
            assert found[key].dtype == value.dtype, key
            np.testing.assert_array_equal(found[key], value, strict=True, err_msg=key)
            assert checkpoint.tensors[key].shape == value.shape


def test_the_protocol_and_the_container_make_no_difference(expected: dict[str, np.ndarray]) -> None:
    with open_checkpoint(DATA / "big_endian.pth") as checkpoint:
        found = tensors(checkpoint)
    assert found.keys() == {key.removeprefix("zip.pth/") for key in expected if key.startswith("zip.pth/")}
    for key, value in found.items():
        np.testing.assert_array_equal(value, expected[f"zip.pth/{key}"], strict=True)


@pytest.mark.parametrize("name", ["training.pth", "training_legacy.pth"])
def test_the_weights_of_a_training_checkpoint_are_found_among_the_rest(
    name: str, expected: dict[str, np.ndarray]
) -> None:
    with open_checkpoint(DATA / name) as checkpoint:
        assert checkpoint.wrapper == "state_dict"
        assert {key for key in expected if key.startswith("training.pth/")} == {
            f"training.pth/{key}" for key in checkpoint.tensors
        }


def test_integers_stay_integers_and_are_reported_from_weights(expected: dict[str, np.ndarray]) -> None:
    with open_checkpoint(DATA / "integers.pth") as checkpoint:
        assert {key: info.dtype for key, info in checkpoint.tensors.items()} == {
            "uint16": "uint16",
            "int64": "int64",
            "bool": "bool",
            "float": "float32",
        }
        assert [key for key, info in checkpoint.tensors.items() if info.is_float] == ["float"]
        assert checkpoint.read("uint16").tolist() == [0, 1, 2]
        np.testing.assert_array_equal(checkpoint.read("bool"), expected["integers.pth/bool"], strict=True)


def test_a_tensor_is_a_copy_that_outlives_the_file() -> None:
    with open_checkpoint(DATA / "zip.pth") as checkpoint:
        value = checkpoint.read("fc.weight")
        again = checkpoint.read("fc.weight")
    value[:] = 0
    assert again.all()


def test_complex_numbers_are_refused_where_they_are_read() -> None:
    with open_checkpoint(DATA / "complex.pth") as checkpoint:
        assert checkpoint.read("bias").tolist() == [1, 1]
        with pytest.raises(CheckpointError, match=r"`weight` in `complex\.pth` has elements of type complex64"):
            checkpoint.read("weight")


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("torchscript.pt", "E0703", "`torchscript.pt` is a TorchScript program"),
        ("list.pth", "E0702", "`list.pth` holds a list, not a dictionary of named tensors"),
        ("whole_module.pth", "E0705", "`whole_module.pth` holds an object of `torch.nn.modules.linear.Linear`"),
        ("evil.pth", "E0705", "`evil.pth` refers to `__builtin__.print`"),
    ],
)
def test_what_is_no_file_of_weights_is_reported_by_name_with_a_fix(
    name: str, code: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(DATA / name)
    diagnostic = caught.value.diagnostic
    assert diagnostic.code.id == code
    assert diagnostic.message.startswith(message)
    assert diagnostic.helps
    assert "must never be seen" not in capsys.readouterr().out
