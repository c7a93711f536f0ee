"""The page as a file: self-contained, well-formed, and safe for any specification."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from reading import Page

import resdsl
from resdsl.diagnostics import Source
from resdsl.page.page import page_data
from resdsl.tools.view.view import page_of, view, view_data

ASSETS = Path(resdsl.__file__).parent / "page" / "assets"

HOSTILE = "</script><script>alert(1)</script><!-- <script> ]]> \u2028 & \" ' <img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(view(resdsl.load("resnet18")))


def test_everything_that_opens_is_closed(page: Page) -> None:
    assert not page.unclosed
    identifiers = [value for _, name, value in page.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))


def test_nothing_is_fetched(page: Page) -> None:
    assert not {name for _, name, _ in page.attributes} & {"src", "href", "srcset", "action", "style"}
    (style,), (script,) = page.contents["style"], page.contents["module"]
    assert not re.search(r"url\(|@import|@font-face", style)
    assert not re.search(r"\bfetch\(|XMLHttpRequest|EventSource|WebSocket|sendBeacon|\bimport\b|\beval\(", script)
    # The name of SVG is an address that nobody goes to.
    assert set(re.findall(r"https?://[^\"'\s]+", style + script)) == {"http://www.w3.org/2000/svg"}


def test_texts_become_no_markup() -> None:
    script = "".join((path).read_text() for path in ASSETS.glob("*.js"))
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script)


def test_the_policy_allows_what_stands_in_the_page_and_nothing_else(page: Page) -> None:
    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    (style,), (script,) = page.contents["style"], page.contents["module"]
    rules = dict(rule.strip().partition(" ")[::2] for rule in page.policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": digest(script),
        "style-src": digest(style),
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_a_page_from_a_server_reaches_that_server_alone() -> None:
    page = Page(page_of(view_data(resdsl.load("resnet18")), version="7"))
    assert "connect-src 'self'" in page.policy
    assert "EventSource" in page.contents["module"][0]


def test_text_of_a_specification_is_data_and_not_markup() -> None:
    text = f"# {HOSTILE}\nmodel net {{ input x: f32[N, 3, 8, 8]; relu; output y }}\n"
    page = Page(view(resdsl.load(Source(HOSTILE, text))))
    assert page.tags.count("script") == 2
    assert "img" not in page.tags
    network = page.data["networks"][0]
    assert network["source"] == HOSTILE
    assert "".join(network["files"][0]["lines"][0][1::2]) == f"# {HOSTILE}"


def test_a_page_stays_small_however_deep_the_network_is() -> None:
    # ResNet-1202 of He et al. 2015; a picture of it in SVG, drawn whole, has megabytes.
    assert len(view(resdsl.load("resnet_cifar", set={"net": "resnet1202"}))) < 260_000


def test_a_page_may_be_empty() -> None:
    page = Page(page_of(page_data(()), version="1"))
    assert page.data["networks"] == []


def test_two_networks_are_marked_where_they_differ() -> None:
    # Stages 2 to 4 of arXiv:1512.03385 have the stride in the 1x1 (v1), those of torchvision in the 3x3 (v1.5).
    page = Page(view(resdsl.load("resnet50_v1"), resdsl.load("resnet50")))
    found = page.data["comparison"]
    new = page.data["networks"][1]
    changed = [first for first, number, mark in found["marks"][1] for _ in range(number) if mark == "changed"]
    assert len(changed) == 2 * 3
    assert found["marks"][0] == found["marks"][1]
    assert found["pairs"] == [[0, 0, new["leaves"]]]
    assert found["loud"]
    assert found["changes"][0]["places"][1] == ["layer2.0", "layer3.0", "layer4.0"]


def test_what_was_added_has_no_partner() -> None:
    page = Page(view(resdsl.load("resnet50"), resdsl.load("seresnet50")))
    found = page.data["comparison"]
    # A gate in each of the 16 blocks: a pool, two layers, a relu, a sigmoid and a product.
    added = sum(number for _, number, mark in found["marks"][1] if mark == "added")
    assert added == 16 * 6
    old, new = (network["leaves"] for network in page.data["networks"])
    assert sum(number for *_, number in found["pairs"]) == old == new - added


def test_no_name_is_defined_twice_in_the_scripts() -> None:
    # They are one module in the page.
    names = [
        name
        for path in sorted(ASSETS.glob("*.js"))
        for name in re.findall(r"^(?:async )?(?:function|class|const|let) (\w+)", path.read_text(), re.MULTILINE)
    ]
    assert len(names) == len(set(names))
