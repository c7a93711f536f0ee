"""A page's data, read back independently of the script that draws them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

Data = dict[str, Any]


def leaves(network: Data) -> Iterator[tuple[str, Data]]:
    """The path and the piece of every leaf, in order, with shared pieces written out."""
    pending: list[tuple[str, str, int]] = [("", "", network["root"])]
    while pending:
        around, label, number = pending.pop()
        path = label[1:] if label.startswith("/") else ".".join(part for part in (around, label) if part)
        piece = network["pieces"][number]
        if "op" in piece:
            yield path, piece
        else:
            pending.extend((path, label, child) for label, child in reversed(piece["children"]))


@dataclass
class Page(HTMLParser):
    """What an HTML parser, as a browser has one, makes of a page."""

    text: str
    tags: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str, str]] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)
    contents: dict[str, list[str]] = field(default_factory=dict)
    """What stands in scripts and styles, by the type of the script or by ``style``."""

    VOID = frozenset({"meta", "input", "path", "circle", "link", "img", "br"})

    def __post_init__(self) -> None:
        super().__init__()
        self._inside = ""
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in self.VOID:
            self.unclosed.append(tag)
        if tag in ("script", "style"):
            self._inside = dict(attrs).get("type") or tag
            self.contents.setdefault(self._inside, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        assert self.unclosed, f"</{tag}> closes nothing"
        assert self.unclosed.pop() == tag
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.contents[self._inside][-1] += data

    @property
    def data(self) -> Data:
        (text,) = self.contents["application/json"]
        found: Data = json.loads(text)
        return found

    @property
    def policy(self) -> str:
        (found,) = (value for _, name, value in self.attributes if name == "content" and "default-src" in value)
        return found
