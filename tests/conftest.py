"""Golden files: output for people is kept as text beside its test and compared as a whole. And what all tests share."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

# Every run tries the same examples, so that no change fails for what it did not touch. Others are tried on request.
hypothesis.settings.register_profile("fixed", derandomize=True)
if os.environ.get("RESDSL_PROPERTIES") != "deep":
    hypothesis.settings.load_profile("fixed")

Golden = Callable[[str], None]

_COLLECTED = pytest.StashKey[list[pytest.Item]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing with them")
    parser.addoption("--parity", action="store_true", help="run the slower networks against their references too")


def pytest_configure() -> None:
    # Shells start background jobs with Ctrl-C ignored, and commands that the tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    parity = item.get_closest_marker("parity")
    if parity is not None and parity.kwargs.get("heavy") and not item.config.getoption("--parity"):
        pytest.skip("a slower network: run it with --parity")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # Before -k and -m take tests away: a golden file is no orphan because its test was not asked for.
    config.stash[_COLLECTED] = list(items)


def golden_path(item: pytest.Item) -> Path:
    """``tests/diagnostics/test_render.py::test_wide[kanji]`` has ``tests/diagnostics/golden/render/wide-kanji.txt``."""
    name = re.sub(r"[^\w.=+-]+", "-", item.name.removeprefix("test_")).strip("-")
    return item.path.parent / "golden" / item.path.stem.removeprefix("test_") / f"{name}.txt"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """``golden(text)`` compares ``text`` with this test's golden file; ``--update-golden`` writes it."""
    path = golden_path(request.node)

    def compare(text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
            return
        assert path.exists(), f"{path} is missing: run with --update-golden and read what it wrote"
        assert text == path.read_bytes().decode(), f"differs from {path}: --update-golden if that is meant"

    return compare


@pytest.fixture
def golden_files_with_a_test(request: pytest.FixtureRequest) -> Callable[[Path], set[Path]]:
    """The golden files that the collected tests of one test file compare with."""

    def of(module: Path) -> set[Path]:
        items = request.config.stash[_COLLECTED]
        return {golden_path(item) for item in items if item.path == module and "golden" in _fixtures(item)}

    return of


@pytest.fixture
def was_collected_whole(request: pytest.FixtureRequest) -> Callable[[Path], bool]:
    """Whether all tests of a test file were collected, rather than some by their names."""

    def whole(module: Path) -> bool:
        in_part = any("::" in argument for argument in request.config.args)
        return not in_part and any(item.path == module for item in request.config.stash[_COLLECTED])

    return whole


def _fixtures(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []
