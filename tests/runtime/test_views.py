"""Several views of one image, averaged: ten crops and several scales."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resdsl.diagnostics.errors import RunError
from resdsl.ir.preprocess import Crop, Normalize, Preprocess, Resize
from resdsl.runtime.preprocess import prepare_ten
from resdsl.runtime.results import Failure, Prediction
from resdsl.runtime.session import Session
from resdsl.tools.predict.predict import predict

OpenModel = Callable[..., Session]
CROPPED = Preprocess((Crop(8),))


@pytest.fixture
def picture(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A file of noise and its pixels, ``[H, W, 3]``: both differences to a crop of 8 are even."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 18, 3), dtype=np.uint8)
    path = tmp_path / "noise.png"
    Image.fromarray(pixels).save(path)
    return path, pixels


def probabilities(results: Sequence[Prediction | Failure]) -> np.ndarray:
    """One row for each image, in the order of the classes."""
    rows = []
    for result in results:
        assert isinstance(result, Prediction), result
        rows.append([one.probability for one in sorted(result.classes, key=lambda one: one.index)])
    return np.array(rows)


def softmax_of_means(view: np.ndarray) -> np.ndarray:
    """What the test's model makes of a view ``[H, W, 3]`` whose white is 1."""
    powers = np.exp(view.mean(axis=(0, 1)))
    return np.asarray(powers / powers.sum())


def ten_by_hand(pixels: np.ndarray) -> list[np.ndarray]:
    """The ten 8 x 8 patches of a 12 x 18 image (Krizhevsky et al. 2012, sec. 4.1), white 1."""
    white = pixels / 255
    five = [white[2:10, 5:13], white[:8, :8], white[:8, -8:], white[-8:, :8], white[-8:, -8:]]
    return [*five, *(patch[:, ::-1] for patch in five)]


def test_ten_crops_are_the_centre_the_corners_and_their_mirror_images(picture: tuple[Path, np.ndarray]) -> None:
    path, pixels = picture
    with Image.open(path) as image:
        crops = prepare_ten(image, CROPPED)
    assert len(crops) == 10
    for crop, wanted in zip(crops, ten_by_hand(pixels), strict=True):
        np.testing.assert_allclose(crop.transpose(1, 2, 0), wanted, atol=1e-6)


def test_ten_crops_are_normalised_and_resized_like_one(picture: tuple[Path, np.ndarray]) -> None:
    path, _ = picture
    steps = (Resize(24), Crop(8), Normalize((0.5, 0.25, 0.0), (0.5, 2.0, 1.0), order="bgr"))
    with Image.open(path) as image:
        enlarged = np.asarray(image.resize((36, 24), Image.Resampling.BILINEAR)) / 255
        crops = prepare_ten(image, Preprocess(steps))
    corner = (enlarged[-8:, :8, ::-1] - [0.5, 0.25, 0.0]) / [0.5, 2.0, 1.0]
    np.testing.assert_allclose(crops[3].transpose(1, 2, 0), corner, atol=1e-6)
    np.testing.assert_allclose(crops[8].transpose(1, 2, 0), corner[:, ::-1], atol=1e-6)


def test_ten_crops_of_a_smaller_image_all_lie_in_its_middle() -> None:
    crops = prepare_ten(Image.new("RGB", (4, 6), "white"), CROPPED)
    wanted = np.zeros((3, 8, 8))
    wanted[:, 1:7, 2:6] = 1
    for crop in crops:
        np.testing.assert_array_equal(crop, wanted)


@pytest.mark.parametrize("batch_size", [1, 3, 10, 32])
def test_the_probabilities_of_ten_crops_are_averaged(
    batch_size: int, open_model: OpenModel, picture: tuple[Path, np.ndarray]
) -> None:
    path, pixels = picture
    results = list(predict(open_model(), [path], crops=10, batch_size=batch_size, preprocess=CROPPED))
    wanted = np.mean([softmax_of_means(patch) for patch in ten_by_hand(pixels)], axis=0)
    np.testing.assert_allclose(probabilities(results), wanted[None], rtol=1e-5)
    assert isinstance(results[0], Prediction)
    assert results[0].views == 10


def test_a_fixed_batch_takes_ten_crops_too(open_model: OpenModel, picture: tuple[Path, np.ndarray]) -> None:
    path, _ = picture
    fixed = predict(open_model(shape=(4, 3, 8, 8)), [path, path], crops=10, preprocess=CROPPED)
    free = predict(open_model(), [path, path], crops=10, preprocess=CROPPED)
    np.testing.assert_allclose(probabilities(list(fixed)), probabilities(list(free)), rtol=1e-6)


def test_ten_crops_of_one_colour_are_one_crop(open_model: OpenModel, tmp_path: Path) -> None:
    Image.new("RGB", (20, 13), (200, 30, 90)).save(tmp_path / "x.png")
    session = open_model()
    one, ten = (
        probabilities(list(predict(session, [tmp_path / "x.png"], crops=crops, preprocess=CROPPED)))
        for crops in (1, 10)
    )
    np.testing.assert_allclose(ten, one, rtol=1e-6)


def test_one_scale_is_the_plain_prediction(open_model: OpenModel, picture: tuple[Path, np.ndarray]) -> None:
    path, _ = picture
    how = (Resize(16, "bicubic"), Normalize((0.4,), (0.3,)))
    session = open_model()
    plain = predict(session, [path], preprocess=Preprocess(how))
    # The crop is of the plain prediction alone: at a scale the whole image is seen.
    scaled = predict(session, [path], scales=[16], preprocess=Preprocess((Resize(7, "bicubic"), Crop(5), how[1])))
    np.testing.assert_array_equal(probabilities(list(scaled)), probabilities(list(plain)))


@pytest.mark.parametrize("batch_size", [1, 8])
def test_the_probabilities_at_several_scales_are_averaged(
    batch_size: int, open_model: OpenModel, picture: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    path, pixels = picture
    other = tmp_path / "other.png"
    Image.fromarray(pixels[:, ::-1] // 2).save(other)
    scales = (6, 12, 24)
    results = list(
        predict(open_model(), [path, other], scales=scales, batch_size=batch_size, preprocess=Preprocess((Resize(9),)))
    )
    for row, file in zip(probabilities(results), (path, other), strict=True):
        with Image.open(file) as image:
            # 12 x 18: the long side is one and a half times the short one.
            views = [image.resize((size * 3 // 2, size), Image.Resampling.BILINEAR) for size in scales]
        wanted = np.mean([softmax_of_means(np.asarray(view) / 255) for view in views], axis=0)
        np.testing.assert_allclose(row, wanted, rtol=1e-5)


def test_an_unreadable_image_fails_alone_among_crops(
    open_model: OpenModel, picture: tuple[Path, np.ndarray], tmp_path: Path
) -> None:
    path, _ = picture
    results = list(predict(open_model(), [path, tmp_path / "no.png", path], crops=10, preprocess=CROPPED))
    assert [isinstance(result, Failure) for result in results] == [False, True, False]


@pytest.mark.parametrize(
    ("shape", "asked", "expected", "suggestion"),
    [
        (("N", 3, 8, 8), {"scales": (8, 16)}, "takes only [N, 3, 8, 8]", "--input 'N,3,H,W'"),
        (("N", 3, "H", 8), {"scales": (8,)}, "takes only [N, 3, H, 8]", "--input 'N,3,H,W'"),
        (("N", 3, "H", "W"), {"scales": (8,), "crops": 10}, "cannot be combined", "one of them"),
        (("N", 3, "H", "W"), {"scales": (0,)}, "scale 0 ", "other scales"),
        (("N", 3, "H", "W"), {"scales": (99_999,)}, "scale 99999 ", "other scales"),
        (("N", 3, "H", "W"), {"crops": 7}, "not 7", "10"),
    ],
)
def test_an_impossible_view_is_reported_before_the_first_image(
    shape: tuple[int | str, ...], asked: dict[str, object], expected: str, suggestion: str, open_model: OpenModel
) -> None:
    how = {"resdsl.preprocess": json.dumps(CROPPED.to_data())}
    with pytest.raises(RunError) as caught:
        predict(open_model(shape=shape, metadata=how), [], **asked)
    assert caught.value.diagnostic.code.id == "E0836"
    assert expected in caught.value.diagnostic.message
    assert any(suggestion in line for line in caught.value.diagnostic.helps)


def test_ten_crops_need_a_size(open_model: OpenModel) -> None:
    with pytest.raises(RunError) as caught:
        predict(open_model(), [], crops=10, preprocess=Preprocess((Resize(8, fit="exact"),)))
    assert caught.value.diagnostic.code.id == "E0836"
    assert "no `crop`" in caught.value.diagnostic.message
