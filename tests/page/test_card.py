"""A specification in a notebook."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import resdsl


class Cells(HTMLParser):
    """The rows of the table in a card."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._is_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        self._is_cell = self._is_cell or tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._is_cell = False

    def handle_data(self, data: str) -> None:
        if self._is_cell:
            self.rows[-1][-1] += data


def test_picture_and_table_stand_in_one_card() -> None:
    text = resdsl.load("resnet50")._repr_mimebundle_()["text/html"]
    assert text.count("<svg") == 1
    assert "25,557,032" in text
    rows = Cells(text).rows
    # He et al. 2015, table 1.
    stages = [row[1:3] for row in rows if row[0].startswith("layer")]
    assert stages == [
        ["3 x bottleneck(64)", "[N, 256, 56, 56]"],
        ["4 x bottleneck(128)", "[N, 512, 28, 28]"],
        ["6 x bottleneck(256)", "[N, 1024, 14, 14]"],
        ["3 x bottleneck(512)", "[N, 2048, 7, 7]"],
    ]


def test_a_card_needs_nothing_else() -> None:
    text = resdsl.load("resnet18")._repr_mimebundle_()["text/html"]
    assert not re.search(r"<script|<link|<img|\bsrc=|\bhref=|url\(|@import", text)
    assert "background: #ffffff" in text
    assert "color: #1f2328" in text


def test_errors_are_shown_in_place_of_the_card() -> None:
    text = resdsl.loads("# <b>\nmodel net { input x: f32[N, 3, 8, 8]; cnv(4, 3x3); output y }")._repr_mimebundle_()[
        "text/html"
    ]
    assert re.match(r"<pre [^>]*>error\[", text)
    assert "<b>" not in text


def test_a_symbolic_count_is_shown_as_varying() -> None:
    text = resdsl.load("resnet50_conv")._repr_mimebundle_()["text/html"]
    assert "varies" in text
    assert "//" not in re.sub(r'xmlns="[^"]*"', "", Cells(text).rows[1][4])
