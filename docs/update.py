"""Writes the generated parts of the docs: ``python docs/update.py``; ``--check`` changes nothing and ends with 1 where
something is not current.

A generated part stands between ``<!-- generated: NAME ARGUMENTS -->`` and ``<!-- end: NAME -->``: ``operators``;
``steps``, of preprocessing; ``codes``, of errors and warnings; ``specs NAME ...``, a table of built-in specifications;
``blocks FILE NAME ...``, blocks of the standard library. ``coverage``, ``exported`` and ``unprepared`` take long and
PyTorch: they are left as ``tests/onnx_import/coverage.py``, ``tests/export/table.py`` and ``tests/torch/unprepared.py``
wrote them. The pictures in ``docs/pictures`` are those that ``docs/pictures.py`` lists.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pictures

from resdsl.analysis.quantities import exact, short
from resdsl.diagnostics import explanation
from resdsl.ops import reference
from resdsl.tools.specs.specs import specs

FOLDER = Path(__file__).parent
STANDARD = FOLDER.parent / "resdsl" / "std"
PART = re.compile(
    r"(?P<begin><!-- generated: (?P<name>\w+)(?P<arguments>[^>]*) -->\n).*?(?P<end><!-- end: (?P=name) -->)", re.DOTALL
)


def specs_table(*names: str) -> str:
    """A table of these specifications, each a link to its text."""
    rows = ["| specification | paper | input | parameters | MACs |", "|---|---|---|--:|--:|"]
    found = {one.name: one for one in specs(*names)}
    for one in map(found.__getitem__, names):
        macs = short(one.macs) if isinstance(one.macs, int) else "varies"
        paper = f"[{one.paper}](https://arxiv.org/abs/{one.arxiv})"
        size = ", ".join(map(str, one.input))
        text = f"[`{one.name}`](../../specs/{one.name}.res)"
        rows.append(f"| {text} | {paper} | `[{size}]` | {exact(one.parameters)} | {macs} |")
    return "".join(f"{row}\n" for row in rows)


def blocks(file: str, *names: str) -> str:
    """Blocks of the standard library with their comments, as they stand there."""
    text = (STANDARD / file).read_text()
    return "```res\n" + "\n".join(_block(text, name) for name in names) + "```\n"


def _block(text: str, name: str) -> str:
    # A block at the margin ends at the next brace at the margin.
    found = re.search(rf"(?:^#.*\n)*^block {name}\b(?:.*\n)*?}}\n", text, re.MULTILINE)
    assert found is not None, f"there is no block {name}"
    return found[0]


GENERATORS = {
    "codes": explanation.markdown,
    "operators": reference.markdown,
    "steps": lambda: reference.markdown("step"),
    "specs": specs_table,
    "blocks": blocks,
}
MEASURED = ("coverage", "exported", "unprepared")  # written by other scripts, not made anew here


def updated(text: str) -> str:
    """The page with its generated parts made anew."""

    def again(part: re.Match[str]) -> str:
        if part["name"] in MEASURED:
            return part[0]
        return f"{part['begin']}{GENERATORS[part['name']](*part['arguments'].split())}{part['end']}"

    return PART.sub(again, text)


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    stale = [page for page in sorted(FOLDER.rglob("*.md")) if updated(page.read_text()) != page.read_text()]
    for page in stale:
        if not check:
            page.write_text(updated(page.read_text()))
        print(f"{page.name}: {'not current; run python docs/update.py' if check else 'updated'}")
    drawings = pictures.stale()
    for name in drawings:
        if not check:
            pictures.write(name)
        print(f"{name}.svg: {'not current; run python docs/update.py' if check else 'updated'}")
    return 1 if check and (stale or drawings) else 0


if __name__ == "__main__":
    sys.exit(main())
