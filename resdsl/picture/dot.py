"""Write a diagram as a Graphviz graph."""

from __future__ import annotations

from collections.abc import Iterator

from resdsl.picture.canvas import Direction
from resdsl.picture.outline import Edge, Group, Node, Outline
from resdsl.picture.theme import Theme


def render_dot(outline: Outline, theme: Theme, direction: Direction) -> str:
    """The text of a directed graph."""
    return "".join(f"{line}\n" for line in _lines(outline, theme, direction))


def _lines(outline: Outline, theme: Theme, direction: Direction) -> Iterator[str]:
    yield "digraph net {"
    yield f"  graph [rankdir={'TB' if direction is Direction.DOWN else 'LR'}, bgcolor={_quoted(theme.background)}]"
    face = f'fontname="Helvetica", fontsize=11, fontcolor={_quoted(theme.ink)}'
    yield f'  node [shape=box, style="rounded,filled", height=0.3, margin="0.12,0.05", {face}]'
    yield f"  edge [color={_quoted(theme.line)}, arrowsize=0.6, {face}]"
    for item in outline.root.items:
        yield from _item(item, theme, 1)
    for edge in outline.edges:
        yield f"  {_edge(edge)}"
    yield "}"


def _item(item: Node | Group, theme: Theme, depth: int) -> Iterator[str]:
    margin = "  " * depth
    if isinstance(item, Node):
        yield f"{margin}{item.name} [label={_quoted(*item.lines)}{_look(item, theme)}]"
        return
    yield f"{margin}subgraph cluster_{item.name} {{"
    yield f"{margin}  label={_quoted(item.title)}; color={_quoted(theme.hairline)}; fontcolor={_quoted(theme.muted)}"
    for inner in item.items:
        yield from _item(inner, theme, depth + 1)
    yield f"{margin}}}"


def _look(node: Node, theme: Theme) -> str:
    if node.is_port:
        return ", shape=plaintext, style=solid"
    paint = theme.paint(node.level, node.mark)
    shape = ", shape=circle, margin=0" if node.is_join and len(node.lines[0]) == 1 else ""
    colors = f"fillcolor={_quoted(paint.fill)}, color={_quoted(paint.stroke)}, fontcolor={_quoted(paint.text)}"
    return f"{shape}, {colors}"


def _edge(edge: Edge) -> str:
    looks = (["style=dotted"] if edge.dotted else []) + ([f"label={_quoted(edge.text)}"] if edge.text else [])
    return f"{edge.source} -> {edge.target}" + (f" [{', '.join(looks)}]" if looks else "")


def _quoted(*lines: str) -> str:
    """A quoted string; backslashes are doubled, because they begin escapes."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ").replace("\0", "") for line in lines)
    return '"' + "\\n".join(escaped) + '"'
