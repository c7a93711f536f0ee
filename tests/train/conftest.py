"""Small sets of labelled images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def squares(tmp_path: Path) -> Callable[..., Path]:
    """``squares("red", "blue", images = 3)``: a folder of classes with noisy images of 8 x 8 pixels of one colour."""

    def make(*classes: str, images: int = 6, name: str = "data") -> Path:
        folder = tmp_path / name
        random = np.random.default_rng(len(classes))
        for number, label in enumerate(classes):
            (folder / label).mkdir(parents=True)
            for place in range(images):
                pixels = random.integers(0, 120, (8, 8, 3))
                pixels[..., number % 3] += 130
                Image.fromarray(pixels.astype(np.uint8)).save(folder / label / f"{place:03}.png")
        return folder

    return make
