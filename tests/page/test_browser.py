"""The page in a browser: folding, search, clicks, dark mode and small screens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import EXECUTABLE, Browser

import resdsl
from resdsl.tools.view.view import view

pytestmark = pytest.mark.skipif(EXECUTABLE is None, reason="no Chromium is installed here")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(shared: Browser) -> Iterator[Browser]:
    """The browser, which must not have anything to complain of when the test is over."""
    shared.complaints.clear()
    yield shared
    shared.settle()
    assert shared.complaints == []


def page(folder: Path, *names: str, **arguments: object) -> str:
    path = folder / f"{'-'.join(names)}.html"
    if not path.exists():
        path.write_text(view(*(resdsl.load(name, set=arguments) for name in names)))
    return path.as_uri()


def labels(browser: Browser) -> list[str]:
    """What the boxes say first, from top to bottom."""
    script = """[...document.querySelectorAll(".box")].map(box => [box.getBoundingClientRect().top,
        box.querySelector("text")?.textContent ?? ""]).sort((a, b) => a[0] - b[0]).map(([, text]) => text)"""
    texts: list[str] = browser.run(script)
    return texts


def place_of(browser: Browser, text: str, *, nth: int = 0) -> int:
    """The number of the box in which that text stands, counted from the top."""
    script = f"""[...document.querySelectorAll(".box")]
        .map((box, place) => [box.getBoundingClientRect().top, place, box])
        .filter(([, , box]) => [...box.querySelectorAll("text")].some(each => each.textContent === {json.dumps(text)}))
        .sort((a, b) => a[0] - b[0]).map(([, place]) => place)[{nth}]"""
    place: int | None = browser.run(script)
    assert place is not None, f"no box says {text!r}: {labels(browser)}"
    return place


def fold(browser: Browser, text: str, *, nth: int = 0) -> None:
    """Click the chevron of a scope."""
    browser.click(".box", place=place_of(browser, text, nth=nth), at=(14, 14))


def choose(browser: Browser, text: str, *, nth: int = 0) -> None:
    browser.click(".box", place=place_of(browser, text, nth=nth), at=(90, 14))


def details(browser: Browser) -> str:
    text: str = browser.run("document.getElementById('details').innerText")
    return text


def marked_lines(browser: Browser, kind: str = "own") -> list[int]:
    script = f"[...document.querySelectorAll('.line.{kind}')].map(line => Number(line.dataset.line))"
    lines: list[int] = browser.run(script)
    return lines


def test_a_network_opens_with_its_stages_folded(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet50"))
    shown = labels(browser)
    assert shown[:2] == ["image", "7x7 conv, 64, /2"]
    assert [label for label in shown if label.startswith("layer")] == ["layer1", "layer2", "layer3", "layer4"]
    assert "25,557,032" in details(browser)
    # He et al. 2015, table 1.
    assert browser.run("document.querySelector('[aria-label^=layer3]').textContent").count("6 × bottleneck(256)") == 1


def test_folding_comes_back_to_where_it_began(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet50"))
    before = labels(browser)
    fold(browser, "layer2")
    assert "1 … 3" in labels(browser)
    fold(browser, "0")
    assert {"1x1 conv, 128", "3x3 conv, 128, /2", "downsample"} <= set(labels(browser))
    fold(browser, "layer2")
    assert labels(browser) == before


def test_a_double_click_folds_too(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet50"))
    browser.click(".box", place=place_of(browser, "layer2"), at=(90, 50), times=2)
    assert "1 … 3" in labels(browser)


def test_a_layer_shows_its_details(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet50"))
    fold(browser, "layer2")
    fold(browser, "0")
    choose(browser, "3x3 conv, 128, /2")
    text = details(browser)
    weights = 128 * 128 * 3 * 3
    for expected in (
        f"{weights:,}",
        f"{weights * 28 * 28:,}",
        f"{128 * 28 * 28:,}",
        "[N, 128, 56, 56] → [N, 128, 28, 28]",
        "layer2.0.conv2.weight",
        "conv(128, 3x3, stride = 2)",
        "receptive field",
    ):
        assert expected in text
    # It is written in a file that the network uses, whose text is shown now, and was called from the network's own.
    assert browser.run("document.querySelector('.tab[aria-selected=true]').textContent") == "residual.res"
    (line,) = marked_lines(browser)
    text = (Path(resdsl.__file__).parent / "std" / "residual.res").read_text().splitlines()
    assert text[line - 1].strip().startswith("conv2: conv(inner, 3x3")
    chain = browser.run("[...document.querySelectorAll('.chain li')].map(each => each.textContent)")
    assert len(chain) == 4  # the layer, the block's call, the stage, the model
    browser.click(".chain button", place=1)
    assert browser.run("document.querySelector('.tab[aria-selected=true]').textContent") == "resnet50.res"
    assert marked_lines(browser, "caller")[-1] == 13


def test_a_line_leads_to_what_it_makes(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet50"))
    browser.click(".line", place=13)
    # Line 14 is stage layer3 with its six blocks, all seen in one box.
    assert browser.run("document.querySelector('.box.lit .title').textContent") == "layer3"
    assert browser.run("document.querySelector('.badge-text').textContent") == "7"
    browser.click(".match-list button", place=6)
    assert details(browser).startswith("resnet50 › layer3 › 1 … 5 › 5")


def test_search_goes_to_what_was_found(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet50"))
    browser.press("/")
    browser.type("3x3 conv, 256")
    # One in each of the six blocks of stage 3.
    assert browser.run("document.querySelector('.tally').textContent") == "6 matches"
    assert browser.run("document.querySelector('.badge-text').textContent") == "6"
    browser.press("ArrowDown")
    browser.press("Enter")
    assert "layer3.1.conv2.weight" in details(browser)
    assert browser.run("document.querySelector('.box.chosen .title').textContent") == "3x3 conv, 256"
    browser.press("n")
    assert "layer3.2.conv2.weight" in details(browser)
    browser.press("/")
    browser.press("Escape")
    browser.press("Escape")
    assert browser.run("document.querySelectorAll('.box.lit, .box.chosen').length") == 0


def test_search_finds_nothing_and_says_so(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet50"))
    browser.press("/")
    browser.type("transformer")
    assert browser.run("document.querySelector('.tally').textContent") == "no matches"
    browser.press("Enter")


def test_the_keyboard_is_enough(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet50"))
    for _ in range(6):
        browser.press("ArrowDown")
    assert details(browser).startswith("resnet50 › layer1")
    for key in ("ArrowRight", "ArrowRight", "Enter", "ArrowDown"):
        browser.press(key)
    assert details(browser).startswith("resnet50 › layer1 › 0 › conv1")
    active = browser.run("document.querySelector('.picture').getAttribute('aria-activedescendant')")
    assert browser.run(f"document.getElementById({json.dumps(active)}).getAttribute('aria-label')").startswith(
        "layer1.0.conv1, conv(64, 1x1), 64×56×56"
    )
    assert "layer1.0.conv1" in browser.run("document.getElementById('status').textContent")
    for key in ("ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
        browser.press(key)
    assert details(browser).startswith("resnet50 › layer1")
    assert "1x1 conv, 64" not in labels(browser)
    browser.press("?")
    assert browser.run("document.getElementById('help').open")
    browser.press("Escape")
    browser.press("Escape")
    assert "MACs by part" in browser.run("document.getElementById('details').textContent")


def test_the_mouse_moves_and_zooms(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet50"))
    box = "document.querySelector('[aria-label^=layer2]').getBoundingClientRect().toJSON()"
    before = browser.run(box)
    at = (before["x"] + 20, before["y"] + 40)
    browser.drag((500, 300), (530, 260))
    moved = browser.run(box)
    assert (moved["x"] - before["x"], moved["y"] - before["y"]) == pytest.approx((30, -40))
    # What was dragged was not clicked.
    assert browser.run("document.querySelectorAll('.box.chosen').length") == 0
    browser.drag((530, 260), (500, 300))
    browser.wheel(at, down=100, ctrl=True)
    smaller = browser.run(box)
    assert smaller["width"] < before["width"]
    # The point under the mouse stays where it is.
    scale = smaller["width"] / before["width"]
    assert smaller["x"] + 20 * scale == pytest.approx(at[0], abs=1)
    assert smaller["y"] + 40 * scale == pytest.approx(at[1], abs=1)
    browser.wheel(at, down=60)
    assert browser.run(box)["y"] == pytest.approx(smaller["y"] - 60, abs=1)


def test_costs_are_shown_as_colours_and_shares(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet50"))
    browser.press("h")
    shares = browser.run("[...document.querySelectorAll('.share')].map(each => each.textContent)")
    exact = [float(share.removesuffix(" %")) for share in shares if not share.startswith("<") and share != ""]
    assert sum(exact[:5]) == pytest.approx(100, abs=1.5)
    warmest = """[...document.querySelectorAll(".box.warm")]
        .map(box => [parseInt(box.style.getPropertyValue("--warmth")), box.querySelector("text")?.textContent])
        .sort((a, b) => b[0] - a[0])[0]"""
    assert browser.run(warmest) == [100, "layer3"]
    browser.press("h")
    # The last stage has most of the weights: 15 of 25.6 M.
    assert browser.run(warmest) == [100, "layer4"]


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_light_or_dark_as_the_system_is_and_as_the_reader_wants(
    browser: Browser, pages: Path, dark: bool
) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light_and_dark = ["rgb(255, 255, 255)", "rgb(13, 17, 23)"]
    browser.open(page(pages, "resnet50"), dark=dark)
    assert browser.run(ground) == light_and_dark[dark]
    browser.press("d")
    assert browser.run(ground) == light_and_dark[not dark]
    browser.press("d")
    assert browser.run(ground) == light_and_dark[dark]


@pytest.mark.parametrize("width", [760, 1200, 1280, 1440])
def test_nothing_runs_out_of_the_details(browser: Browser, pages: Path, width: int) -> None:
    browser.open(page(pages, "resnet50"), width=width, height=740)
    choose(browser, "layer3")
    assert browser.run(
        "document.getElementById('details').scrollWidth <= document.getElementById('details').clientWidth"
    )


@pytest.mark.parametrize("names", [("resnet50",), ("resnet50_v1", "resnet50")])
def test_it_fits_a_phone(browser: Browser, pages: Path, names: tuple[str, ...]) -> None:
    browser.open(page(pages, *names), width=390, height=844, phone=True)
    assert browser.run("document.documentElement.scrollWidth") <= 390
    assert browser.run("document.querySelector('.canvas').clientHeight") > 150
    choose(browser, "7x7 conv, 64, /2")
    assert f"{64 * 3 * 7 * 7:,}" in details(browser)
    browser.click("[data-shows=source]")
    assert marked_lines(browser)
    assert browser.run("document.getElementById('details').offsetParent === null")


def test_a_thousand_layers_cost_no_more_than_what_is_seen(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet_cifar", net="resnet1202"))
    assert "200 × basic(16, skip = pad)" in browser.run("document.querySelector('.picture').textContent")
    browser.press("e")
    elements = "document.querySelectorAll('.picture *').length"
    assert browser.run(elements) < 800
    browser.press("0")
    assert browser.run(elements) < 4_000
    browser.press("/")
    browser.type("layer3.199.conv2")
    browser.press("Enter")
    assert "layer3.199.conv2.weight" in details(browser)
    assert browser.run("document.querySelectorAll('.box.chosen').length") == 1
    assert browser.run(elements) < 800


def test_two_networks_stand_side_by_side(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet50_v1", "resnet50"))
    sides = "[...document.querySelectorAll('.canvas')].map(side => side.querySelectorAll('.box.mark-changed').length)"
    old, new = browser.run(sides)
    assert old == new >= 2
    assert "stride_in conv1 -> conv2" in details(browser)
    browser.press("n")
    chosen, partner = (
        browser.run(f"document.querySelector('.box.{kind} .title').textContent") for kind in ("chosen", "partner")
    )
    assert (chosen, partner) == ("1x1 conv, 128", "1x1 conv, 128, /2")
    assert "changed" in details(browser)
    browser.click(".mark-line .link")
    assert "conv(128, 1x1, stride = 2)" in details(browser)


def test_what_is_new_is_marked_in_the_new_network_alone(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet50", "seresnet50"))
    sides = "[...document.querySelectorAll('.canvas')].map(side => side.querySelectorAll('.box.mark-added').length)"
    old, new = browser.run(sides)
    assert old == 0 < new
    browser.press("n")
    assert details(browser).splitlines()[0].startswith("seresnet50 › layer1 › 0 › se")


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet50_fpn", "inception_v4", "densenet121", "seresnet50", "resnetv2_50"]
)
def test_boxes_lie_in_one_another_or_apart(browser: Browser, pages: Path, name: str) -> None:
    browser.open(page(pages, name), width=4_000, height=8_000)
    for text in ("fpn", "layer1", "denseblock1", "stages.0", "6 … 9"):
        if text in labels(browser):
            fold(browser, text)
    boxes = browser.run("""[...document.querySelectorAll(".box > .body")].map(body => {
        const { left, top, right, bottom } = body.getBoundingClientRect();
        return [left, top, right, bottom]; })""")
    assert len(boxes) > 10
    assert not any(
        "NaN" in path for path in browser.run("[...document.querySelectorAll('.line')].map(line => line.outerHTML)")
    )
    for number, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[:number]:
            apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
            inside = left >= other[0] and top >= other[1] and right <= other[2] and bottom <= other[3]
            around = left <= other[0] and top <= other[1] and right >= other[2] and bottom >= other[3]
            assert apart or inside or around, (boxes[number], other)


def test_names_in_the_address_are_opened(browser: Browser, pages: Path) -> None:
    browser.open(page(pages, "resnet18") + "#%E0%A4%A")
    assert "MACs by part" in browser.run("document.getElementById('details').textContent")
    browser.open(page(pages, "resnet18") + "#layer4.1.conv2")
    assert "layer4.1.conv2.weight" in details(browser)
