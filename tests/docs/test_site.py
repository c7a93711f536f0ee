"""The site: a page for everything that there is, links that lead somewhere, and checks that notice what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import build
import resdsl
from check_links import Contents, contents_of, css_loads, faults
from hooks import on_post_page
from markdown_dialect import for_site
from pages.repository import with_playground
from resdsl.cli.app import COMMANDS
from site_map import SiteMap, site_map
from versions import publish

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pages() -> SiteMap:
    return site_map(drawn=False)


def in_navigation(entries: object) -> list[str]:
    if isinstance(entries, str):
        return [entries]
    values = entries.values() if isinstance(entries, dict) else entries
    assert not isinstance(values, str)
    return [path for value in values for path in in_navigation(value)]  # type: ignore[attr-defined]


def test_every_link_between_pages_leads_somewhere(pages: SiteMap) -> None:
    assert build.source_faults(pages) == []


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("networks", {file.stem for file in (ROOT / "specs").glob("*.res")}),
        ("library", {file.stem for file in (ROOT / "resdsl" / "std").glob("*.res")}),
        ("errors", {file.stem for file in (ROOT / "resdsl" / "diagnostics" / "pages").glob("*.md")}),
        ("commands", set(COMMANDS)),
        ("api", {name for name in resdsl.__all__ if name != "__version__"}),  # type: ignore[attr-defined]
    ],
)
def test_there_is_a_page_for_each(pages: SiteMap, folder: str, names: set[str]) -> None:
    made = {Path(path).stem for path in pages.pages if Path(path).parts[0] == folder}
    assert {name for name in made if not name.startswith("torch.")} - {"index"} == names


def test_every_operator_that_examples_use_has_a_page(pages: SiteMap) -> None:
    # The docs list them in a generated table; joins are written with braces.
    table = (ROOT / "docs" / "language.md").read_text().partition("<!-- generated: operators -->")[2]
    rows = [line for line in table.partition("<!-- end: operators -->")[0].splitlines() if line.startswith("| `")]
    names = {row.removeprefix("| `").partition("`")[0].partition("(")[0] for row in rows}
    assert len(names) >= 40
    for name in {*names, "add", "concat", "mean", "mul", "resize", "crop", "normalize"}:
        page = pages.pages[f"operators/{name}.md"].text
        assert page.startswith(f"# {name}\n")


def test_every_page_is_in_the_navigation_once(pages: SiteMap) -> None:
    listed = in_navigation(pages.navigation)
    # The language is part of the guide and of the reference.
    assert {path for path in listed if listed.count(path) > 1} == {"language.md"}
    assert set(pages.pages) - set(listed) == {path for path in pages.pages if path.startswith("source/")}


def test_no_page_differs_from_another_by_case_alone(pages: SiteMap) -> None:
    assert len({path.lower() for path in pages.pages}) == len(pages.pages)


def test_the_page_of_a_network_shows_its_text_picture_and_summary(pages: SiteMap) -> None:
    page = pages.pages["networks/resnet50.md"].text
    assert (ROOT / "specs" / "resnet50.res").read_text() in page
    # He et al. 2015 state 25.6 million parameters, torchvision 25,557,032.
    assert "25,557,032" in page
    assert "pictures/resnet50-dark.svg#only-dark" in page
    assert "[resnet152](resnet152.md)" in page


def test_the_first_page_leads_to_the_playground_of_a_site_that_has_one(pages: SiteMap) -> None:
    assert "playground/index.html" not in pages.pages["index.md"].text
    assert (
        '<a class="md-button md-button--primary" href="playground/index.html">'
        in with_playground(pages.pages["index.md"]).text
    )


def test_the_page_of_an_error_shows_what_check_prints(pages: SiteMap) -> None:
    page = pages.pages["errors/E0301.md"].text
    assert "$ resdsl check example.res\nerror[E0301]" in page
    assert "res wrong" not in page


def test_the_page_of_an_operator_gives_shapes_and_costs(pages: SiteMap) -> None:
    # 8 * 3 * 7 * 7 weights; 1,176 multiplications for each of 16 x 15 pixels.
    row = "| `conv(8, 7x7, stride = 2)` | `[1, 3, 32, 30]`{ .shape } | `[1, 8, 16, 15]`{ .shape } | 1,176 | 282,240 |"
    assert row in pages.pages["operators/conv.md"].text


def test_the_page_of_a_command_has_its_options(pages: SiteMap) -> None:
    page = pages.pages["commands/git.md"].text
    assert "### Options of install" in page
    assert "`--driver`" in page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("text:\n- item\n", "text:\n\n- item\n"),
        ("- one\n- two\n", "- one\n- two\n"),
        (
            "- one\n\n  | a |\n  |---|\n\n  more\n\ntext\n\n  text\n",
            "- one\n\n    | a |\n    |---|\n\n    more\n\ntext\n\n  text\n",
        ),
        ("| a \\| b | `c \\| d` |\n", "| a \\| b | `c | d` |\n"),
        ("```res wrong\n[a](b.md)\n```\n", "```res\n[a](b.md)\n```\n"),
        ("[a](b.md#c) [d](#e) [f](https://example.org)\n", "[a](<b.md#c>) [d](#e) [f](https://example.org)\n"),
        ('<img src="a.svg" height="70">\n', '<img src="<a.svg>" style="max-height: 70px">\n'),
    ],
)
def test_markdown_of_github_is_rewritten_for_the_site(text: str, expected: str) -> None:
    assert for_site(text, "<{}>".format) == expected


SITE = {
    "index.html": '<h1 id="top">x</h1><a href="a/b.html#c">b</a><a href="#top">t</a><img src="p.svg">',
    "a/b.html": '<h2 id="c">c</h2><a href="../index.html">up</a><a href="https://example.org/">elsewhere</a>',
}


def found_in(changed: dict[str, str]) -> list[str]:
    pages: dict[str, Contents] = {path: contents_of(text) for path, text in {**SITE, **changed}.items()}
    return list(faults(pages, {*pages, "p.svg"}))


def test_a_site_with_good_links_has_no_faults() -> None:
    assert found_in({}) == []


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<a href="missing.html">', "there is no a/missing.html"),
        ('<a href="../index.html#nowhere">', "index.html has no #nowhere"),
        ('<a href="#nowhere">', "a/b.html has no #nowhere"),
        ('<img src="p.svg">', "there is no a/p.svg"),
        ('<a href="/index.html">', "is not relative"),
        ('<script src="https://example.org/x.js"></script>', "loads https://example.org/x.js"),
        ('<link rel="preconnect" href="https://example.org">', "loads https://example.org"),
        ('<img srcset="../p.svg 1x, //example.org/p.png 2x">', "loads //example.org/p.png"),
        ('<p style="background: url(https://example.org/p.png)">', "loads https://example.org/p.png"),
        ('<style>@import "https://example.org/x.css";</style>', "loads https://example.org/x.css"),
    ],
)
def test_a_bad_link_or_a_file_of_another_host_is_a_fault(html: str, fault: str) -> None:
    (found,) = found_in({"a/b.html": f'<h2 id="c">c</h2>{html}'})
    assert fault in found


def test_style_sheets_load_what_their_addresses_say() -> None:
    assert css_loads("@font-face { src: url('x.woff2') } a { background: url(data:image/png;base64,AA==) }") == [
        "x.woff2",
        "data:image/png;base64,AA==",
    ]


def test_the_dialog_of_the_search_has_a_name() -> None:
    assert 'aria-label="Search"' in on_post_page('<div class="md-search" data-md-component="search" role="dialog">')


def test_versions_are_listed_from_the_newest_and_the_newest_release_is_the_default(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("one")
    folder = tmp_path / "published"
    for version in ("dev", "0.9", "0.10"):
        publish(site, folder, version)
    (site / "index.html").write_text("two")
    publish(site, folder, "0.9")
    listed = json.loads((folder / "versions.json").read_text())
    assert [(one["version"], one["aliases"]) for one in listed] == [("0.10", ["latest"]), ("0.9", []), ("dev", [])]
    assert 'url=0.10/"' in (folder / "index.html").read_text()
    assert [(folder / one / "index.html").read_text() for one in ("0.9", "0.10")] == ["two", "one"]


@pytest.mark.parametrize("version", ["latest", "../x", ""])
def test_a_version_is_a_number_or_dev(tmp_path: Path, version: str) -> None:
    with pytest.raises(ValueError, match="is neither"):
        publish(tmp_path, tmp_path / "published", version)
