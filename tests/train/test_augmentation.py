"""Random crops, mirror images and mixtures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from resdsl.tools.train.augmentation import Augmentation, CropKind, mixed, padded_part, random_part, resized_part
from resdsl.weights.sampling import generator


@pytest.mark.parametrize("seed", range(8))
def test_a_padded_part_is_a_window_of_the_image_with_zeros_around_it(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(3, 6, 5)).astype(np.float32)
    padded = np.pad(values, ((0, 0), (4, 4), (4, 4)))
    windows = [padded[:, top : top + 6, left : left + 5] for top in range(9) for left in range(9)]
    part = padded_part(values, 4, generator("test", seed))
    assert any(np.array_equal(part, window) for window in windows)


def test_all_offsets_of_a_padded_part_occur() -> None:
    values = np.arange(1, 26, dtype=np.float32).reshape(1, 5, 5)
    parts = {padded_part(values, 1, generator("test", seed)).tobytes() for seed in range(400)}
    assert len(parts) == 9


def test_parts_have_the_areas_and_proportions_of_the_recipe() -> None:
    random = np.random.default_rng(0)
    augmentation = Augmentation(CropKind.RESIZED)
    areas = []
    for _ in range(500):
        left, top, width, height = random_part(100, 80, augmentation, random)
        assert 0 <= left <= 100 - width
        assert 0 <= top <= 80 - height
        areas.append(width * height / 8000)
        # Rounding to pixels changes a proportion a little.
        assert 3 / 4 * 0.9 < width / height < 4 / 3 * 1.1
    assert min(areas) < 0.12
    assert max(areas) > 0.85


def test_an_image_too_narrow_for_every_attempt_gives_its_central_part() -> None:
    left, top, width, height = random_part(4, 400, Augmentation(CropKind.RESIZED), np.random.default_rng(0))
    assert (left, width, height) == (0, 4, round(4 * 4 / 3))
    assert top == (400 - height) // 2


def test_a_resized_part_has_the_size_of_the_input_and_the_pixels_of_the_part() -> None:
    image = Image.fromarray(np.full((40, 60, 3), 77, np.uint8))
    part = resized_part(image, (16, 24), Augmentation(CropKind.RESIZED), np.random.default_rng(1))
    assert part.size == (24, 16)
    assert np.asarray(part).min() == np.asarray(part).max() == 77


def test_a_mixture_is_the_weighted_sum_of_two_images_and_of_their_targets() -> None:
    images = np.random.default_rng(0).normal(size=(6, 1, 2, 2)).astype(np.float32)
    rows = np.eye(6, dtype=np.float32)
    blend, targets = mixed(images, rows, 0.4, generator("mixup:0:0", 3))
    assert targets.sum(axis=1) == pytest.approx(np.ones(6), abs=1e-6)
    assert blend.reshape(6, -1) == pytest.approx(targets @ images.reshape(6, -1), abs=1e-6)
    share = targets.diagonal().min()
    assert 0 <= share <= 1
    assert math.isfinite(float(blend.sum()))
