"""A page of the site, and Markdown that several parts of it use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
"""The repository."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its path in the site (``operators/conv.md``), its name in the navigation, and its text in Markdown.

    Without a name it is not in the navigation. ``searched`` says whether the search finds it.
    """

    path: str
    name: str
    text: str
    searched: bool = True


@dataclass(frozen=True, slots=True)
class Picture:
    """A file of the site that is no page, made of ``text``."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the site: its pages in the order of the navigation, the first of which is its overview."""

    name: str
    pages: tuple[Page, ...]
    pictures: tuple[Picture, ...] = ()


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table. A heading that ends with ``:`` is of a column aligned to the right. Empty without rows."""
    lines = ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]
    if not lines:
        return ""
    names = [heading.removesuffix(":") for heading in headings]
    rules = ["--:" if heading.endswith(":") else "---" for heading in headings]
    return "\n".join([f"| {' | '.join(names)} |", f"|{'|'.join(rules)}|", *lines]) + "\n"


def fence(text: str, language: str = "") -> str:
    """A block of code. The fence is longer than any in the text."""
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}\n"


def code(text: str) -> str:
    """Code within a line."""
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def shape(sizes: Iterable[object]) -> str:
    """A shape within a line, which is not broken into two."""
    return f"`[{', '.join(map(str, sizes))}]`{{ .shape }}"


def first_sentence(text: str) -> str:
    """The first line of a docstring, without its period."""
    return text.strip().partition("\n")[0].removesuffix(".")


def _cell(text: str) -> str:
    # In code a bar is not the end of a cell, and a backslash would be shown.
    parts = text.replace("\n", " ").split("`")
    return "`".join(part if index % 2 else part.replace("|", "\\|") for index, part in enumerate(parts))
