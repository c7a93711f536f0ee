"""Write a diagram as Mermaid, which GitHub and GitLab render in comments and Markdown files."""

from __future__ import annotations

from collections.abc import Iterator

from resdsl.picture.canvas import Direction
from resdsl.picture.outline import Edge, Group, Node, Outline
from resdsl.picture.theme import Paint, Theme

_ENTITIES = str.maketrans(
    {character: f"#{ord(character)};" for character in '"#&<>;`\\[](){}|'} | dict.fromkeys(map(chr, range(32)), " ")
)
"""Mermaid entities for characters that would end a text or begin markup."""


def render_mermaid(outline: Outline, theme: Theme, direction: Direction) -> str:
    """The text of a flowchart."""
    return "".join(f"{line}\n" for line in _lines(outline, theme, direction))


def _lines(outline: Outline, theme: Theme, direction: Direction) -> Iterator[str]:
    yield f"flowchart {'TD' if direction is Direction.DOWN else 'LR'}"
    for item in outline.root.items:
        yield from _item(item, 1)
    for edge in outline.edges:
        yield f"  {_edge(edge)}"
    used: dict[str, list[str]] = {}
    for node in outline.nodes():
        used.setdefault(_class(node), []).append(node.name)
    for name, members in used.items():
        yield f"  classDef {name} {_style(_paint(name, theme))}"
        yield f"  class {','.join(members)} {name}"


def _item(item: Node | Group, depth: int) -> Iterator[str]:
    margin = "  " * depth
    if isinstance(item, Node):
        text = "<br>".join(line.translate(_ENTITIES) for line in item.lines)
        left, right = ("((", "))") if item.is_join and len(text) == 1 else ("([", "])") if item.is_port else ("[", "]")
        yield f'{margin}{item.name}{left}"{text}"{right}'
        return
    yield f'{margin}subgraph {item.name}["{item.title.translate(_ENTITIES)}"]'
    for inner in item.items:
        yield from _item(inner, depth + 1)
    yield f"{margin}end"


def _edge(edge: Edge) -> str:
    arrow = "-.->" if edge.dotted else "-->"
    text = f'|"{edge.text.translate(_ENTITIES)}"|' if edge.text else ""
    return f"{edge.source} {arrow}{text} {edge.target}"


def _class(node: Node) -> str:
    if node.mark:
        return node.mark
    if node.is_port:
        return "port"
    return "plain" if node.level is None else f"stage{node.level}"


def _paint(name: str, theme: Theme) -> Paint:
    if name in theme.marks:
        return theme.marks[name]
    if name == "port":
        return Paint(theme.background, theme.hairline, theme.ink)
    return theme.plain if name == "plain" else theme.stage(int(name.removeprefix("stage")))


def _style(paint: Paint) -> str:
    return f"fill:{paint.fill},stroke:{paint.stroke},color:{paint.text}"
