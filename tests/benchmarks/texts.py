"""Specifications for benchmarks."""

from __future__ import annotations

import re
from itertools import count

from harness import ROOT


def long_text(lines: int = 10_000) -> str:
    """The shipped specifications one after another until there are so many lines, the names in each made its own."""
    shipped = [file.read_text(encoding="utf-8") for file in sorted(ROOT.glob("specs/*.res"))]
    found: list[str] = []
    for number in count():
        text = re.sub(r"(?m)^(model|block|const) (\w+)", rf"\1 \2_{number}", shipped[number % len(shipped)])
        found += text.splitlines()
        # Not in the middle of a body.
        if len(found) >= lines:
            return "\n".join(found) + "\n"
    raise AssertionError


def untidy(text: str) -> str:
    """The same text with every line indented wrongly and blanks doubled, so that the formatter has work."""
    return "".join(
        re.sub(r"(?<=[,=]) ", "  ", f" {line}") if line.startswith(" ") else line for line in text.splitlines(True)
    )
