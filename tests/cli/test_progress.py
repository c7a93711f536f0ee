"""The progress bar, on a simulated terminal."""

import io
import re
import sys
import time

import pytest

from resdsl.cli import progress
from resdsl.cli.progress import bar


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch, *, patience: float = 0.0) -> FakeTerminal:
    """In the test's own time: pytest takes the streams back after fixtures."""
    made = FakeTerminal()
    monkeypatch.setattr(sys, "stderr", made)
    monkeypatch.setattr(progress, "DELAY", patience)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return made


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", text)


@pytest.mark.parametrize(
    ("unit", "done", "total", "expected"),
    [("images", 3, 10, " 3/10"), ("images", 1200, None, "1200/?"), ("bytes", 3_000_000, 10_000_000, "3.0/10.0 MB")],
)
def test_it_shows_how_much_is_done(
    unit: progress.Unit, done: int, total: int | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = terminal(monkeypatch)
    with bar("seeing", wanted=True, unit=unit) as drawn:
        assert drawn is not None
        drawn(1, total)
        drawn(done, total)
    text = plain(seen.getvalue())
    assert "seeing" in text
    assert expected in text


def test_it_shows_images_per_second(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = terminal(monkeypatch)
    with bar("seeing", wanted=True, unit="images") as drawn:
        assert drawn is not None
        for done in range(0, 50, 10):
            drawn(done, 100)
            time.sleep(0.01)
    assert re.search(r"\d[\d.]* images/s", plain(seen.getvalue()))


def test_nothing_is_drawn_for_short_work(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = terminal(monkeypatch, patience=60.0)
    with bar("seeing", wanted=True, unit="images") as drawn:
        assert drawn is not None
        drawn(1, 2)
    assert seen.getvalue() == ""


def test_nothing_is_drawn_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with bar("seeing", wanted=True) as drawn:
        assert drawn is None
