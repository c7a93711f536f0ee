"""A server that several tests share, and what they send it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from skimage import data

sys.path.insert(0, str(Path(__file__).parent))

from receiver import Spans, receiving
from serving import Server, compiled, serving


@pytest.fixture(scope="session")
def spans() -> Iterator[Spans]:
    """What the server of the session exports."""
    with receiving() as one:
        yield one


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("model"), seed=1)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photos")
    files = [folder / "astronaut.png", folder / "coffee.jpg", folder / "cat.webp"]
    for file, pixels in zip(files, (data.astronaut(), data.coffee(), data.chelsea()), strict=True):
        Image.fromarray(pixels).save(file)
    return files


@pytest.fixture(scope="session")
def server(model: Path, spans: Spans) -> Iterator[Server]:
    with serving(model, f"other={model}", "--traces", environment=spans.environment) as one:
        yield one
