"""Writes the generated parts of the docs: ``python docs/update.py``; ``--check`` changes nothing and ends with 1 where
something is not current.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end: NAME -->``.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from resdsl.driver.operators import markdown

FOLDER = Path(__file__).parent
GENERATORS = {"operators": markdown}
PART = re.compile(r"(?P<begin><!-- generated: (?P<name>\w+) -->\n).*?(?P<end><!-- end: (?P=name) -->)", re.DOTALL)


def updated(text: str) -> str:
    """The page with its generated parts made anew."""
    return PART.sub(lambda part: f"{part['begin']}{GENERATORS[part['name']]()}{part['end']}", text)


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    stale = [page for page in sorted(FOLDER.rglob("*.md")) if updated(page.read_text()) != page.read_text()]
    for page in stale:
        if not check:
            page.write_text(updated(page.read_text()))
        print(f"{page.name}: {'not current; run python docs/update.py' if check else 'updated'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
