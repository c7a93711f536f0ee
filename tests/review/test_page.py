"""The page: self-contained, safe, and drawn by a browser in light and dark mode and on small screens."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from networks import PAIRS
from PIL import Image

import resdsl
from resdsl.review.html import render_html
from resdsl.review.markdown import LONGEST, render_markdown
from resdsl.review.review import compare
from resdsl.review.side_by_side import side_by_side

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def page(name: str) -> str:
    old, new = PAIRS[name]
    return render_html(compare(old(), new(), sources=("old.res", "new.res")))


def test_nothing_is_fetched_and_nothing_is_run() -> None:
    text = page("v1-to-v1.5")
    assert not re.search(r"<script|<link|<img|src=|url\(|@import|https?:", text)


def test_text_of_a_specification_is_not_markup() -> None:
    review = compare(*(one() for one in PAIRS["eps"]), sources=("<script>alert(1)</script>", '"><img src=x>'))
    text = render_html(review)
    assert "<script>" not in text
    assert "<img" not in text
    assert "&lt;script&gt;" in text


def test_unchanged_stages_are_one_line_side_by_side() -> None:
    old, new = PAIRS["v1-to-v1.5"]
    lines = side_by_side(compare(old(), new()))
    (stage,) = (line for line in lines if line.new is not None and line.new.label == "layer1")
    assert stage.mark == "same"
    changed = [line.new.label for line in lines if line.mark == "changed" and line.new is not None]
    # Figure 5 (right) of arXiv:1512.03385: in the first block of stages 2 to 4 the stride moves.
    assert changed == ["conv1", "conv2"] * 3


def test_a_comment_is_never_too_long_for_a_forge() -> None:
    layers = "\n".join(f"  a{number}_{'x' * 60}: conv(4, 3x3)" for number in range(900))
    changed = "\n".join(
        f"  a{number}_{'x' * 60}: conv({4 + number % 7}, {number % 2 * 2 + 1}x1)" for number in range(900)
    )
    model = "model net {{\n  input x: f32[N, 4, 8, 8]\n{}\n  output y\n}}\n"
    review = compare(resdsl.loads(model.format(layers)).graph, resdsl.loads(model.format(changed)).graph)
    text = render_markdown(review)
    assert len(text) < LONGEST
    assert text.count("<details>") == text.count("</details>")
    assert text.count("```") % 2 == 0


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here")
@pytest.mark.parametrize(("scheme", "background"), [("light", (255, 255, 255)), ("dark", (18, 22, 28))])
@pytest.mark.parametrize("width", [1200, 500])
def test_a_browser_draws_it(scheme: str, background: tuple[int, int, int], width: int, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page("squeeze-and-excitation"))
    assert BROWSER is not None
    subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--hide-scrollbars",
            f"--user-data-dir={tmp_path / 'profile'}",
            *(["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []),
            f"--window-size={width},900",
            f"--screenshot={tmp_path / 'page.png'}",
            (tmp_path / "page.html").as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    drawn = np.asarray(Image.open(tmp_path / "page.png").convert("RGB"))
    assert tuple(drawn[2, 2]) == background
    # Text reaches over the page, and nothing runs out of it on the right.
    assert (drawn[:, : width // 2] != drawn[2, 2]).any(axis=2).mean() > 0.02
    assert not (drawn[:, -6:] != drawn[2, 2]).any()
