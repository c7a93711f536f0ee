"""Pictures in a browser, with its own fonts: no two texts touch, and none leaves its box."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from resdsl.tools.draw.draw import Picture, cost_picture, draw

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# Reads where the browser drew every text and box, from its own layout.
MEASURE = """
<pre id="found"></pre>
<script>
const at = element => { const r = element.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
const texts = [...document.querySelectorAll("svg text")].map(t => [t.textContent, at(t)]);
const boxes = [...document.querySelectorAll("svg rect[rx]")].map(at);
document.getElementById("found").textContent = JSON.stringify({texts, boxes});
</script>
"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here")
@pytest.mark.parametrize(
    "drawn",
    [
        pytest.param(lambda: draw(["vgg19", "plain34", "resnet34"]), id="figure 3"),
        pytest.param(lambda: draw("inception_v4", direction="right"), id="inception"),
        pytest.param(lambda: cost_picture("resnet50"), id="costs"),
    ],
)
def test_words_are_apart_and_inside_of_their_boxes(drawn: object, tmp_path: Path) -> None:
    assert BROWSER is not None and callable(drawn)
    shown: Picture = drawn()
    page = tmp_path / "page.html"
    page.write_text(f"<!DOCTYPE html><meta charset='utf-8'><body style='margin:0'>{shown.svg()}{MEASURE}")
    done = subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    (text,) = re.findall(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    drawn = json.loads(html.unescape(text))
    assert len(drawn["texts"]) > 20
    for word, (left, top, right, bottom) in drawn["texts"]:
        # A browser's box of a text is as high as its font; what is drawn of it is not.
        middle = (left + right) / 2, (top + bottom) / 2
        for box in drawn["boxes"]:
            if box[0] < middle[0] < box[2] and box[1] < middle[1] < box[3] and box[3] - box[1] < 160:
                assert box[0] <= left and right <= box[2], word
    placed = sorted(drawn["texts"], key=lambda each: each[1][1])
    for number, (word, one) in enumerate(placed):
        for other_word, other in placed[number + 1 :]:
            if other[1] >= one[3]:
                break
            across = min(one[2], other[2]) - max(one[0], other[0])
            down = min(one[3], other[3]) - max(one[1], other[1])
            assert across < 1 or down < 4, (word, other_word)
