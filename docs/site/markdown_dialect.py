"""The Markdown of the docs, which GitHub shows as it is, in the dialect of the site.

The pages in ``docs`` are written for GitHub. The site renders them with Python-Markdown, which reads some of it
differently; what differs in pages of this repository is rewritten here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from pymdownx.slugs import slugify

EXTENSIONS: list[str] = [
    "attr_list",
    "def_list",
    "md_in_html",
    "tables",
    "toc",
    "pymdownx.highlight",
    "pymdownx.inlinehilite",
    "pymdownx.saneheaders",
    "pymdownx.superfences",
]

SETTINGS: dict[str, dict[str, Any]] = {
    # Anchors as GitHub makes them, so that links with a fragment lead to the same place on both.
    "toc": {"slugify": slugify(case="lower"), "permalink": True, "permalink_title": "Link to this section"},
    "pymdownx.highlight": {"pygments_lang_class": True},
}

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>.*)$")
_LINK = re.compile(r"(?P<before>\]\()(?P<target>[^)\s]+)(?P<after>\))")
_SOURCE = re.compile(r"(?P<before><(?:img|a)\b[^>]*?\b(?:src|href)=\")(?P<target>[^\"]+)(?P<after>\")")
_HEIGHT = re.compile(r"(<img\b[^>]*?) height=\"(\d+)\"")
_GENERATED = re.compile(r"^<!-- (?:generated|end): .*-->$")
_ITEM = re.compile(r"^ *(?:[-*]|\d+\.) ")
_CODE = re.compile(r"`[^`]*`")


def for_site(text: str, link: Callable[[str], str]) -> str:
    """The text of a page; ``link`` gives the target of each relative link and picture on the site."""
    return "".join(f"{line}\n" for line in _lines(text, link))


def _lines(text: str, link: Callable[[str], str]) -> Iterator[str]:
    closing = ""
    before = ""
    in_list = False
    for given in text.splitlines():
        if given and not given.startswith(" ") and not closing:
            in_list = _ITEM.match(given) is not None or (in_list and before != "" and _FENCE.match(given) is None)
        line = _indented(given) if in_list and not closing else given
        fence = _FENCE.match(line)
        if closing:
            if fence is not None and fence["ticks"] == closing and not fence["info"]:
                closing = ""
        elif fence is not None:
            closing = fence["ticks"]
            line = f"{fence['indent']}{closing}{_language(fence['info'])}"
        elif _GENERATED.match(line):
            line = ""
        else:
            line = _prose(line, link)
            if _begins_block(line) and before and not _begins_block(before) and not before.startswith(" "):
                yield ""  # elsewhere a list or a table ends the paragraph above
        yield line
        before = "" if closing else line


def _indented(line: str) -> str:
    """A line of a list. What belongs to an item is indented by its marker on GitHub, and by 4 here."""
    margin = len(line) - len(line.lstrip(" "))
    return f"    {line.lstrip(' ')}" if margin in (2, 3) else line


def _language(info: str) -> str:
    """The language of a fence: Python-Markdown knows no words after it (``res wrong``)."""
    return info.strip() if info.lstrip().startswith("{") else info.strip().partition(" ")[0]


def _begins_block(line: str) -> bool:
    return line.startswith("|") or _ITEM.match(line) is not None


def _prose(line: str, link: Callable[[str], str]) -> str:
    def relinked(found: re.Match[str]) -> str:
        target = found["target"]
        absolute = target.startswith(("#", "/", "mailto:")) or "://" in target
        return found["before"] + (target if absolute else link(target)) + found["after"]

    if line.startswith("|"):
        line = _CODE.sub(lambda found: found[0].replace("\\|", "|"), line)
    # Pages limit the height of a picture; its proportions are kept where the screen is narrower.
    line = _HEIGHT.sub(r'\1 style="max-height: \2px"', line)
    return _SOURCE.sub(relinked, _LINK.sub(relinked, line))
