"""Arrays as images and as inputs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resdsl.diagnostics.errors import RunError
from resdsl.runtime.arrays import Arrays


def saved(folder: Path, array: np.ndarray) -> Path:
    np.save(folder / "x.npy", array, allow_pickle=True)
    return folder / "x.npy"


def arrays_in(path: Path) -> list[tuple[str, Callable[[int], object]]]:
    return [(item.name, item.load) for item in Arrays(str(path)).items()]


def problem(path: Path) -> str:
    with pytest.raises(RunError) as caught:
        for _, load in arrays_in(path):
            load(10**9)
    found = caught.value.diagnostic
    return f"{found.code.id}: {found.message} | {'; '.join(found.helps)}"


@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_are_images(channels: int, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, channels), np.uint8)
    found = arrays_in(saved(tmp_path, pixels))
    assert [name for name, _ in found] == [f"{tmp_path}/x.npy[0]", f"{tmp_path}/x.npy[1]"]
    for (_, load), wanted in zip(found, pixels, strict=True):
        image = load(100)
        assert isinstance(image, Image.Image)
        np.testing.assert_array_equal(np.asarray(image), np.broadcast_to(wanted, (4, 5, 3)))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_inputs(dtype: type, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype(dtype)
    found = [load(100) for _, load in arrays_in(saved(tmp_path, values))]
    np.testing.assert_array_equal(np.stack([np.asarray(one) for one in found]), values)


@pytest.mark.parametrize("shape", [(4, 5, 3), (3, 4, 5)])
def test_an_array_of_three_dimensions_is_one(shape: tuple[int, ...], tmp_path: Path) -> None:
    values = np.zeros(shape, np.uint8 if shape[2] == 3 else np.float32)
    ((name, _),) = arrays_in(saved(tmp_path, values))
    assert name == f"{tmp_path}/x.npy"


def test_the_limit_of_pixels_holds_for_arrays(tmp_path: Path) -> None:
    for array in (np.zeros((1, 4, 5, 3), np.uint8), np.zeros((1, 3, 4, 5), np.float32)):
        ((_, load),) = arrays_in(saved(tmp_path, array))
        load(20)
        with pytest.raises(RunError) as caught:
            load(19)
        assert caught.value.diagnostic.code.id == "E0821"


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((2, 3, 4, 5), np.uint8), "array.transpose(0, 2, 3, 1)"),
        (np.zeros((2, 3, 4, 5), np.int64), "is int64[3, 4, 5]"),
        (np.zeros((4, 5), np.uint8), "is uint8[4, 5]"),
        (np.zeros((1, 0, 5, 3), np.uint8), "[0, 5, 3]"),
        (np.zeros((), np.float32), "is float32[]"),
    ],
)
def test_arrays_of_another_form_are_reported(array: np.ndarray, expected: str, tmp_path: Path) -> None:
    message = problem(saved(tmp_path, array))
    assert message.startswith("E0820")
    assert expected in message


def test_objects_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    path = saved(tmp_path, np.array([Trap()], object))
    assert problem(path).startswith("E0820: ")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{", b"not an array", b"PK\x03\x04"])
def test_broken_files_are_reported(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    assert problem(tmp_path / "x.npy").startswith("E0820: ")


def test_a_file_that_was_cut_off_is_reported(tmp_path: Path) -> None:
    path = saved(tmp_path, np.zeros((4, 3, 8, 8), np.float32))
    path.write_bytes(path.read_bytes()[:-1])
    assert problem(path).startswith("E0820: ")


def test_an_archive_is_reported(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    (tmp_path / "x.npz").rename(tmp_path / "x.npy")
    assert "magic string" in problem(tmp_path / "x.npy")


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    assert problem(tmp_path / "no.npy").startswith("E0801")
