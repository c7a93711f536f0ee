"""The standard library: one page for each of its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pages.networks import blocks_used, network
from pages.page import ROOT, Page, Part, code, fence, table
from resdsl.specification import builtin

_BLOCK = re.compile(r"^block (\w+)", re.MULTILINE)


def part() -> Part:
    """The pages of the library."""
    files = sorted((ROOT / "resdsl" / "std").glob("*.res"))
    overview = Page("library/index.md", "Overview", _overview(files))
    return Part("Blocks", (overview, *(Page(f"library/{file.stem}.md", file.stem, _text(file)) for file in files)))


def _overview(files: list[Path]) -> str:
    rows = [
        (f"[`std/{file.stem}.res`]({file.stem}.md)", ", ".join(map(code, _BLOCK.findall(file.read_text("utf-8")))))
        for file in files
    ]
    return (
        "# Blocks of the library\n\n"
        'A file takes blocks from the library by `use "std/residual.res" (bottleneck)`. They are written in the'
        f" [language](../language.md), as your own are.\n\n{table(('file', 'blocks'), rows)}"
    )


@cache
def _users() -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    for name in builtin.names():
        for file in blocks_used(network(name).source.text):
            users.setdefault(file, []).append(name)
    return users


def _text(file: Path) -> str:
    return "".join(f"{line}\n" for line in _lines(file))


def _lines(file: Path) -> Iterator[str]:
    yield f"# std/{file.name}"
    yield ""
    users = _users().get(file.stem, [])
    if users:
        yield f"Networks that use it: {', '.join(f'[{name}](../networks/{name}.md)' for name in users)}."
        yield ""
    yield fence(file.read_text(encoding="utf-8"), "res")
