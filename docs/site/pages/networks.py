"""The gallery: one page for each built-in network, and an overview by family."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import resdsl
from pages.page import ROOT, Page, Part, Picture, code, fence, shape, table
from resdsl.analysis.quantities import exact, short
from resdsl.specification import builtin
from resdsl.specification.specification import Specification
from resdsl.tools.draw.draw import draw
from resdsl.tools.specs.specs import BuiltinSpec, specs

_TABLE = re.compile(r"<!-- generated: specs (?P<names>[^>]*) -->")
_USE = re.compile(r'^use "std/(?P<file>\w+)\.res" \((?P<blocks>[^)]*)\)', re.MULTILINE)


class Family:
    """A page of ``docs/families``, and the networks in its tables."""

    def __init__(self, file: Path) -> None:
        text = file.read_text(encoding="utf-8")
        heading = re.search(r"^# (.+)$", text, re.MULTILINE)
        assert heading is not None
        self.page = f"families/{file.name}"
        self.name = heading[1]
        self.networks = tuple(name for names in _TABLE.findall(text) for name in names.split())


@cache
def families() -> tuple[Family, ...]:
    """The families in the order of their overview; each network is in one."""
    overview = (ROOT / "docs" / "families" / "README.md").read_text(encoding="utf-8")
    files = dict.fromkeys(re.findall(r"\]\((\w+\.md)\)", overview))
    found = tuple(Family(ROOT / "docs" / "families" / file) for file in files)
    missing = set(builtin.names()) - {name for family in found for name in family.networks}
    assert not missing, f"no page of docs/families has a table with {', '.join(sorted(missing))}"
    return tuple(family for family in found if family.networks)


@cache
def network(name: str) -> Specification:
    """A built-in network."""
    return resdsl.load(name)


def blocks_used(text: str) -> Mapping[str, tuple[str, ...]]:
    """What a text uses of the standard library: the names of blocks by the names of files."""
    return {
        found["file"]: tuple(name.strip() for name in found["blocks"].split(",") if name.strip())
        for found in _USE.finditer(text)
    }


def part(*, drawn: bool, playground: bool) -> Part:
    """The gallery. Without ``drawn`` its pictures are empty files, for checks of the pages alone.

    With ``playground`` each network has a link to it there.
    """
    table = {one.name: one for one in specs()}
    order = [name for family in families() for name in family.networks]
    pages = [Page("networks/index.md", "Overview", _overview(table))]
    pages += [Page(f"networks/{name}.md", name, _text(table[name], playground=playground)) for name in order]
    pictures = [picture for name in order for picture in _pictures(name, drawn=drawn)]
    return Part("Networks", tuple(pages), tuple(pictures))


def _pictures(name: str, *, drawn: bool) -> Iterator[Picture]:
    for theme in ("light", "dark"):
        whole = draw(network(name), theme=theme).svg() if drawn else ""
        yield Picture(f"networks/pictures/{name}-{theme}.svg", whole)
        stages = draw(network(name), theme=theme, detail="stage").svg() if drawn else ""
        yield Picture(f"networks/pictures/{name}-stages-{theme}.svg", stages)


def _overview(table: Mapping[str, BuiltinSpec]) -> str:
    return "".join(f"{line}\n" for line in _overview_lines(table))


def _overview_lines(table: Mapping[str, BuiltinSpec]) -> Iterator[str]:
    yield "# Gallery of networks"
    yield ""
    yield "Every network here is built in: each command takes its name, such as `resdsl summary resnet50`. To change"
    yield "one, write it to a file: `resdsl specs resnet50 > my.res`."
    yield ""
    for family in families():
        yield f"## {family.name}"
        yield ""
        yield f"How they are built, and how to make your own: [{family.name}](../{family.page})."
        yield ""
        yield '<div class="networks" markdown>'
        yield ""
        for name in family.networks:
            yield f"- {_figure(name, f'{name}-stages', f'{name}.md')}"
            yield ""
            yield f"    [**{name}**]({name}.md)"
            yield ""
            yield f"    {table[name].paper}<br>{short(table[name].parameters)} parameters, {_macs(table[name])}"
            yield ""
        yield "</div>"
        yield ""


def _figure(name: str, file: str, target: str) -> str:
    """The picture in the colours of both themes, as a link."""
    pictures = (f"![{name}, drawn by resdsl](pictures/{file}-{theme}.svg#only-{theme})" for theme in ("light", "dark"))
    return f"[{''.join(f'{picture}{{ loading=lazy }}' for picture in pictures)}]({target})"


def _macs(one: BuiltinSpec) -> str:
    return f"{short(one.macs)} MACs" if isinstance(one.macs, int) else "MACs by input size"


def _text(one: BuiltinSpec, *, playground: bool) -> str:
    return "".join(f"{line}\n" for line in _lines(one, playground=playground))


def _lines(one: BuiltinSpec, *, playground: bool) -> Iterator[str]:
    specification = network(one.name)
    family = next(family for family in families() if one.name in family.networks)
    text = specification.source.text
    yield f"# {one.name}"
    yield ""
    yield f"[{one.paper}](https://arxiv.org/abs/{one.arxiv}), of the family [{family.name}](../{family.page})."
    yield ""
    macs = exact(one.macs) if isinstance(one.macs, int) else f"`{one.macs}`"
    yield table(
        ("input", "parameters:", "MACs:"),
        [(shape(one.input), exact(one.parameters), macs)],
    )
    if playground:
        # As HTML: MkDocs knows only the pages that it makes.
        yield f'<p><a href="../playground/index.html?network={one.name}">Change it in the playground</a></p>'
        yield ""
    yield "## Picture"
    yield ""
    yield f'<figure class="network" markdown>{_figure(one.name, one.name, f"pictures/{one.name}-light.svg")}</figure>'
    yield ""
    yield f"Drawn by `resdsl draw {one.name}`; `resdsl view {one.name}` opens it in the browser, to explore."
    yield ""
    yield "## Specification"
    yield ""
    yield fence(text, "res")
    for file, blocks in blocks_used(text).items():
        names = ", ".join(map(code, blocks))
        yield f"{'It uses' if blocks else 'It uses all blocks of'} {names} of [`std/{file}.res`](../library/{file}.md)."
        yield ""
    yield "## Summary"
    yield ""
    yield fence(f"$ resdsl summary {one.name}\n{specification.summary()}", "console")
    yield "## More of the family"
    yield ""
    yield from _siblings(one.name, family)


def _siblings(name: str, family: Family) -> Iterator[str]:
    siblings = [f"[{other}]({other}.md)" for other in family.networks if other != name]
    if siblings:
        yield f"{family.name}: {', '.join(siblings)}."
        yield ""
    others = [f"[{other.name}](../{other.page})" for other in families() if other is not family]
    yield f"Other families: {', '.join(others)}."
