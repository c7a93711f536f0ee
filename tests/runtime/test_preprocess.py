"""Preprocessing, against torchvision's and timm's own transforms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from resdsl.diagnostics.errors import RunError
from resdsl.ir.preprocess import Crop, Normalize, Preprocess, Resize, Step
from resdsl.runtime.preprocess import invalid_reason, output_size, prepare

# Made by make_preprocess.py beside it.
EXPECTED = np.load(Path(__file__).parent / "fixtures" / "preprocess.npz")

IMAGENET = Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CAFFE = Normalize((103.939, 116.779, 123.68), (1.0, 1.0, 1.0), scale=255.0, order="bgr")

STEPS: dict[str, tuple[Step, ...]] = {
    "imagenet": (Resize(256), Crop(224), IMAGENET),
    "odd_crop": (Resize(63), Crop(40), IMAGENET),
    "padded": (Resize(30), Crop(65), IMAGENET),
    "exact": (Resize(48, fit="exact"), IMAGENET),
    "nearest": (Resize(64, "nearest"), Crop(56), IMAGENET),
    "lanczos": (Resize(64, "lanczos"), Crop(56), IMAGENET),
    "enlarged": (Resize(700, "bicubic"), Crop(60), IMAGENET),
    "no_normalize": (Resize(64), Crop(56)),
    # timm: the short side to floor(224 / 0.95).
    "timm_bicubic": (Resize(235, "bicubic"), Crop(224), IMAGENET),
    "caffe": (Resize(64), Crop(56), CAFFE),
}


@pytest.mark.parametrize("photograph", ["chelsea", "astronaut", "coffee"])
@pytest.mark.parametrize("pipeline", STEPS)
def test_every_value_is_torchvisions(photograph: str, pipeline: str) -> None:
    image = Image.fromarray(getattr(data, photograph)())
    array = prepare(image, Preprocess(STEPS[pipeline]))
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array[:, ::3, ::3], EXPECTED[f"{photograph}/{pipeline}"])


def test_all_expected_pipelines_are_tested() -> None:
    assert {name.split("/")[1] for name in EXPECTED.files} == set(STEPS)


def test_a_grey_network_gets_one_channel() -> None:
    image = Image.new("RGB", (4, 4), (255, 0, 0))
    array = prepare(image, Preprocess((Normalize((0.5,), (0.5,)),)), channels=1)
    # BT.601: 0.299 of red, which Pillow rounds to 76 of 255.
    np.testing.assert_allclose(array, np.full((1, 4, 4), (76 / 255 - 0.5) / 0.5), rtol=1e-6)


def test_steps_that_would_make_an_image_enormous_are_refused() -> None:
    with pytest.raises(RunError) as caught:
        prepare(Image.new("RGB", (1, 20_000)), Preprocess((Resize(256), Crop(224))))
    assert caught.value.diagnostic.code.id == "E0821"


@pytest.mark.parametrize(
    ("steps", "size"),
    [
        ((Resize(256), Crop(224)), (224, 224)),
        ((Resize(32, fit="exact"),), (32, 32)),
        ((Resize(256),), None),
        ((Crop(40), Resize(20)), (20, 20)),
        ((IMAGENET,), None),
    ],
)
def test_the_size_is_known_where_the_image_does_not_matter(
    steps: tuple[Step, ...], size: tuple[int, int] | None
) -> None:
    assert output_size(Preprocess(steps)) == size


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((IMAGENET, Crop(224)), "not the last step"),
        ((Resize(0),), "a size is 0"),
        ((Crop(10**9),), "must be an integer from 1 to"),
        ((Crop(True),), "a size is True"),
        ((Resize("256"),), "a size is '256'"),  # type: ignore[arg-type]
        ((Resize(256, "cubic"),), "'cubic'"),
        ((Resize(256, fit="long"),), "'long'"),
        ((Normalize((0.5, 0.5), (1.0,)),), "`mean` has 2 values for 3 channels"),
        ((Normalize((0.5,), (0.0,)),), "`std`"),
        ((Normalize((float("nan"),), (1.0,)),), "`mean`"),
        ((Normalize((0.5,), (1.0,), scale=0.0),), "`scale`"),
        ((Normalize((0.5,), (1.0,), order="gbr"),), "'gbr'"),
    ],
)
def test_steps_that_cannot_be_done_are_reported(steps: tuple[Step, ...], reason: str) -> None:
    message = invalid_reason(Preprocess(steps))
    assert message is not None
    assert reason in message
    with pytest.raises(RunError):
        prepare(Image.new("RGB", (8, 8)), Preprocess(steps))
