"""All pages of the site, and their order in the navigation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pages import api, commands, errors, library, networks, operators, repository
from pages.page import Page, Part, Picture

GUIDE = (
    "first_network.md",
    "language.md",
    "editors.md",
    "draw.md",
    "view.md",
    "review.md",
    "import.md",
    "weights.md",
    "pytorch.md",
    "train.md",
    "training-step.md",
    "fine_tuning.md",
    "optimisation.md",
    "runtime.md",
    "predict.md",
    "embed.md",
    "evaluate.md",
    "bench.md",
    "compare.md",
    "devices.md",
    "cluster.md",
    "serving.md",
)
PROJECT = (
    "contributing.md",
    "residual-learning.md",
    "speed.md",
    "robustness.md",
    "architecture.md",
    "decisions.md",
    "changelog.md",
)
_ELSEWHERE = ("index.md", "errors.md")
"""Pages of the docs that the navigation has in another place."""


@dataclass(frozen=True, slots=True)
class SiteMap:
    """The pages and pictures of the site; ``navigation`` is the setting ``nav`` of MkDocs.

    ``pictures`` are drawn for the site, ``files`` are those of the docs, by their paths on the site.
    """

    pages: Mapping[str, Page]
    pictures: tuple[Picture, ...]
    files: Mapping[str, Path]
    navigation: list[dict[str, Any]]

    def write(self, folder: Path) -> None:
        """Write all files below ``folder``."""
        for page in self.pages.values():
            _write(folder / page.path, _front_matter(page) + page.text)
        for picture in self.pictures:
            _write(folder / picture.path, picture.text)
        for path, file in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / path)


def site_map(*, drawn: bool = True, playground: bool = False) -> SiteMap:
    """The whole site. Without ``drawn`` the pictures of the gallery are empty, for checks of the pages alone.

    ``playground`` says whether the site has one, which its pages then link to.
    """
    docs = repository.docs()
    if playground:
        docs["index.md"] = repository.with_playground(docs["index.md"])
    gallery = networks.part(drawn=drawn, playground=playground)
    parts = (gallery, library.part(), operators.part(), commands.part(docs), errors.part(docs["errors.md"]), api.part())
    pages = [*docs.values(), *(page for part in parts for page in part.pages)]
    pages += repository.sources(list(pages))
    return SiteMap(
        {page.path: page for page in pages},
        tuple(picture for part in parts for picture in part.pictures),
        repository.pictures(),
        list(_navigation(docs, *parts)),
    )


def _navigation(docs: Mapping[str, Page], gallery: Part, library: Part, *reference: Part) -> Iterator[dict[str, Any]]:
    placed = {*GUIDE, *PROJECT, *_ELSEWHERE, *(path for path in docs if path.startswith("families/"))}
    yield {"Home": "index.md"}
    # A new page of the docs is in the guide until it is given a place.
    yield {"Guide": [*_entries(docs, GUIDE), *_entries(docs, [path for path in docs if path not in placed])]}
    yield {"Networks": [gallery.pages[0].path, *_families(docs), {library.name: _of(library)}]}
    yield {"Reference": ["language.md", *({part.name: _of(part)} for part in reference)]}
    yield {"Project": _entries(docs, PROJECT)}


def _families(docs: Mapping[str, Page]) -> Iterator[dict[str, Any]]:
    """Each family with its networks; the pages about several families are on their own."""
    families = networks.families()
    with_networks = {family.page for family in families}
    yield from _entries(docs, [path for path in docs if path.startswith("families/") and path not in with_networks])
    for family in families:
        pages = [{name: f"networks/{name}.md"} for name in family.networks]
        yield {family.name: [{"How they are built": family.page}, *pages]}


def _entries(docs: Mapping[str, Page], paths: Sequence[str]) -> list[dict[str, str]]:
    return [{docs[path].name: path} for path in paths if path in docs]


def _of(part: Part) -> list[str | dict[str, str]]:
    """A part without the name of its overview, which is that of the part itself."""
    first, *others = part.pages
    return [first.path, *({page.name: page.path} for page in others)]


def _front_matter(page: Page) -> str:
    if page.text.startswith("---\n"):
        return ""
    hidden = "" if page.searched else "search:\n  exclude: true\n"
    return f"---\ntitle: {json.dumps(page.name or Path(page.path).name, ensure_ascii=False)}\n{hidden}---\n"


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
