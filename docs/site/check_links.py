"""Checks of HTML pages: every link leads to a page and an anchor that exist, and nothing is loaded from other hosts."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

_LOADING_RELATIONS = {
    "stylesheet",
    "icon",
    "shortcut",
    "preload",
    "prefetch",
    "preconnect",
    "dns-prefetch",
    "modulepreload",
    "manifest",
}
"""Relations of a ``<link>`` for which a browser makes a request; ``canonical`` and others are only read."""

_LOADING = {
    "audio": ("src",),
    "embed": ("src",),
    "iframe": ("src",),
    "image": ("href", "xlink:href"),
    "img": ("src", "srcset"),
    "input": ("src",),
    "object": ("data",),
    "script": ("src",),
    "source": ("src", "srcset"),
    "track": ("src",),
    "use": ("href", "xlink:href"),
    "video": ("src", "poster"),
}
_IN_CSS = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")


@dataclass
class Contents:
    """What a page has: its anchors, the links that a reader follows, and what a browser loads with it."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.contents = Contents()
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.contents.anchors |= {given[name] for name in ("id", "name") if name in given and tag != "meta"}
        if tag in ("a", "area") and "href" in given:
            self.contents.links.append(given["href"])
        if tag == "link" and "href" in given and _LOADING_RELATIONS & set(given.get("rel", "").split()):
            self.contents.loads.append(given["href"])
        for name in _LOADING.get(tag, ()):
            if name in given:
                several = given[name].split(",") if name == "srcset" else [given[name]]
                self.contents.loads += [one.split()[0] for one in several if one.split()]
        self.contents.loads += css_loads(given.get("style", ""))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.contents.loads += css_loads(data)


def contents_of(html: str) -> Contents:
    """What a page of HTML has."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.contents


def css_loads(text: str) -> list[str]:
    """The addresses that a style sheet loads."""
    return [first or second for first, second in _IN_CSS.findall(text)]


def faults(pages: Mapping[str, Contents], files: Container[str]) -> Iterator[str]:
    """What is wrong with links of pages, which are given by their paths, and in order of them.

    ``files`` are the paths of all files of the site. Links to other hosts are not followed.
    """
    for path, contents in pages.items():
        for target in contents.loads:
            if is_elsewhere(target):
                yield f"{path}: loads {target} from another host"
        for target in (*contents.links, *contents.loads):
            if not is_elsewhere(target) and not target.startswith(("data:", "mailto:", "javascript:")):
                yield from _fault(path, target, pages, files)


def is_elsewhere(target: str) -> bool:
    """Whether an address is on another host."""
    return bool(urlsplit(target).netloc)


def _fault(path: str, target: str, pages: Mapping[str, Contents], files: Container[str]) -> Iterator[str]:
    parts = urlsplit(target)
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(parts.path))) if parts.path else path
    if parts.path.startswith("/"):
        yield f"{path}: {target} is not relative, so that it leaves the site where it is in a folder"
    elif wanted == "." and not parts.path.startswith("."):
        return
    elif wanted not in files and posixpath.join(wanted, "index.html") not in files:
        yield f"{path}: {target}: there is no {wanted}"
    elif parts.fragment and wanted in pages and unquote(parts.fragment) not in pages[wanted].anchors:
        yield f"{path}: {target}: {wanted} has no #{parts.fragment}"
