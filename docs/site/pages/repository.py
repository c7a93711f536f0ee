"""Pages written by hand: the README, the docs, the changelog, and what they link to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from markdown_dialect import for_site
from pages.page import ROOT, Page, fence

_HOME = """\
---
hide: [navigation]
---
"""

_BUTTONS = (
    "[A first network](first_network.md){ .md-button .md-button--primary } [Gallery](networks/index.md){ .md-button }"
)

_PLAYGROUND = '<a class="md-button md-button--primary" href="playground/index.html">Try it in the browser</a>'
"""A link that MkDocs does not look at: the playground is none of its pages."""

_PICTURES = (".svg", ".png")

_FOLDERS = {"docs/families": "families/README.md", "specs": "networks/index.md", "resdsl/std": "library/index.md"}
_IN_TEXT = {"resdsl/diagnostics/pages": "errors", "specs": "networks", "resdsl/std": "library"}


def site_path(path: str) -> str:
    """Where a file of the repository is on the site."""
    if path in _FOLDERS:
        return _FOLDERS[path]
    folder, name = posixpath.split(path)
    if path == "README.md":
        return "index.md"
    if path == "CHANGELOG.md":
        return "changelog.md"
    if folder in _IN_TEXT:
        return f"{_IN_TEXT[folder]}/{PurePosixPath(name).stem}.md"
    if path.startswith("docs/") and path.endswith((".md", *_PICTURES)):
        return path.removeprefix("docs/")
    return f"source/{path}" if path.endswith(".md") else f"source/{path}.md"


def page_of(path: str) -> Page:
    """A Markdown file of the repository as a page. Raises ``ValueError`` where it links to a file that is missing."""
    here = site_path(path)

    def link(target: str) -> str:
        file, hash_sign, anchor = target.partition("#")
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(path), file))
        if not (ROOT / wanted).exists():
            raise ValueError(f"{path}: there is no {wanted}")
        return posixpath.relpath(site_path(wanted), posixpath.dirname(here) or ".") + hash_sign + anchor

    text = (ROOT / path).read_text(encoding="utf-8")
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    assert heading is not None, f"{path} has no heading"
    made = for_site(text, link)
    if path == "README.md":
        title, line, others = made.split("\n\n", 2)
        made = f"{_HOME}{title}\n\n{line}\n\n{_BUTTONS}\n\n{others}"
    return Page(here, heading[1], made)


def with_playground(home: Page) -> Page:
    """The first page with a button that leads to the playground, before the others."""
    others = _BUTTONS.replace(" .md-button--primary", "")
    return replace(home, text=home.text.replace(_BUTTONS, f"{_PLAYGROUND} {others}"))


def docs() -> dict[str, Page]:
    """The README, the changelog and the pages of the docs, by their paths on the site."""
    files = [
        "README.md",
        "CHANGELOG.md",
        *(str(file.relative_to(ROOT)) for file in sorted((ROOT / "docs").rglob("*.md"))),
    ]
    return {page.path: page for page in map(page_of, files)}


def pictures() -> dict[str, Path]:
    """The pictures in the docs, by their paths on the site."""
    folder = ROOT / "docs"
    files = (file for file in sorted(folder.rglob("*")) if file.suffix in _PICTURES)
    return {file.relative_to(folder).as_posix(): file for file in files}


def sources(pages: list[Page]) -> Iterator[Page]:
    """A page for each other file of the repository that pages link to, and for those that these link to."""
    done = set()
    for page in pages:  # grows by pages of prose
        for target in re.findall(r"\]\(([^)#\s]+)", page.text):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page.path), target))
            if path.startswith("source/") and path not in done:
                done.add(path)
                made = _source(path)
                if made.searched:
                    pages.append(made)
                yield made


def _source(path: str) -> Page:
    file = path.removeprefix("source/")
    if (ROOT / file).is_file():
        return page_of(file)
    file = file.removesuffix(".md")
    text = (ROOT / file).read_text(encoding="utf-8")
    return Page(
        path, "", f"# {posixpath.basename(file)}\n\n`{file}` of the repository.\n\n{fence(text)}", searched=False
    )
