"""The page of each code: why it is an error, an example of it, and the same example fixed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resdsl.diagnostics.catalogue import CODES
from resdsl.diagnostics.diagnostic import Code

PAGES = Path(__file__).with_name("pages")

_FENCE = re.compile(r"^```(?P<kind>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """A fenced block of a page. ``kind`` is ``res wrong``, ``res`` (fixed), or ``sh``, the wrong one first."""

    kind: str
    text: str


def page_of(code: Code) -> str:
    """The page in Markdown; its heading is the code and its title."""
    return (PAGES / f"{code.id}.md").read_text(encoding="utf-8")


def examples(page: str) -> tuple[Example, ...]:
    """The fenced blocks of a page, in order."""
    return tuple(Example(found["kind"], found["text"]) for found in _FENCE.finditer(page))


def markdown() -> str:
    """A table of all codes for the docs, each linked to its page."""
    return "".join(f"{line}\n" for line in _table())


def _table() -> Iterator[str]:
    yield "| code | |"
    yield "|---|---|"
    for code in CODES.values():
        yield f"| [{code.id}](../resdsl/diagnostics/pages/{code.id}.md) | {code.title} |"
