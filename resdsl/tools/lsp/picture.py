"""The picture beside a text, and the way from a box to its line and back."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

from resdsl.diagnostics import CompileError, Span, catalogue
from resdsl.elaborate.limits import Limits
from resdsl.ir.graph import Graph, Node, Scope
from resdsl.specification.load import load
from resdsl.specification.revision import Revision
from resdsl.specification.specification import Specification
from resdsl.tools.draw.draw import compared, draw
from resdsl.tools.lsp.analysis import Analysis


def svg(analysis: Analysis, theme: str, revision: str = "") -> str | None:
    """The picture of the network of a text, or its comparison with a revision of git; ``None`` while it has errors.

    Raises ``CompileError`` where the network cannot be drawn, or the old one not be read.
    """
    network = analysis.network()
    if network is None:
        return None
    if not revision:
        return draw(network, theme=theme).svg()
    return compared(_old(analysis, revision).as_built(), network, theme=theme).svg()


def _old(analysis: Analysis, revision: str) -> Specification:
    """The text as it was in a revision, with the files that it used then."""
    path = analysis.source.path
    if path is None or revision.startswith("-"):
        raise CompileError.of(catalogue.FILE_NOT_FOUND, f"there is no revision `{revision}` of this text")
    found = Revision(revision, path.parent)
    source = found.source(path.name, largest=Limits().file_bytes)
    return load(source, read=found.read, set=analysis.settings.arguments, model=analysis.settings.model)


def place_of(analysis: Analysis, path: str) -> types.Location | None:
    """Where this text makes the box with a path: its own statement, or the call of the block that it is in."""
    uri = analysis.source.path.absolute().as_uri() if analysis.source.path else ""
    for graph in analysis.graphs.values():
        spans = _spans(analysis, graph)
        name = path
        while name:
            span = spans.get(name)
            if span is not None and span.source is analysis.source:
                return types.Location(uri, analysis.positions.of(span))
            name = name.rpartition(".")[0]
    return None


def paths_at(analysis: Analysis, position: types.Position) -> list[str]:
    """The paths of what the statement at a place made, of the layers it is drawn with, and of the scopes around it."""
    offset = analysis.positions.offset(position)
    found = analysis.step_at(offset)
    if found is None:
        return []
    step, visit = found
    paths = [
        path
        for graph in analysis.graphs.values()
        for path, span in _spans(analysis, graph).items()
        if span.source is analysis.source and span.start <= step.span.start and step.span.end <= span.end
    ]
    nearest = sorted(paths, key=lambda path: path.count("."), reverse=True)
    own = [node.path for node in visit.nodes] if visit else []
    boxes = [_drawn_with(visit.all_nodes, node).path for node in visit.nodes] if visit else []
    return list(dict.fromkeys([*own, *boxes, *nearest]))


def _drawn_with(nodes: Sequence[Node], node: Node) -> Node:
    """The layer in whose box a norm or an activation is drawn: the one that it follows."""
    while node.operator.drawn_inside and len(node.inputs) == 1:
        node = nodes[node.inputs[0]]
    return node


def _spans(analysis: Analysis, graph: Graph) -> dict[str, Span]:
    """Where scopes and layers were written, by their paths."""
    spans: dict[str, Span] = {}
    stack: list[Scope | int] = [graph.root]
    while stack:
        one = stack.pop()
        if isinstance(one, int):
            spans.setdefault(graph.nodes[one].path, analysis.in_text(graph.nodes[one].span))
            continue
        if one.path:
            spans.setdefault(one.path, analysis.in_text(one.span))
        stack += one.children
    return spans
