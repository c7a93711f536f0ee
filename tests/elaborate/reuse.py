"""Elaborating with copies of equal calls and without: nothing may differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from resdsl.diagnostics import Diagnostics, Source
from resdsl.diagnostics.render import render
from resdsl.elaborate import Limits, elaborate, load_program
from resdsl.ir.graph import Graph, Scope


def everything(text: str, *, reuse: bool, limits: Limits | None = None, path: Path | None = None) -> list[object]:
    """All that there is to a graph, spans included, and all that is told, each mistake with how often it was met."""
    diagnostics = Diagnostics()
    program = load_program(Source("net.res", text, path), diagnostics, limits=limits)
    facts: list[object] = []
    for model in program.main.models:
        graph = elaborate(program, diagnostics, model=model.name, limits=limits, reuse=reuse)
        if graph is not None:
            facts += [graph.name, graph.input_name, graph.outputs, *facts_of(graph)]
    told = [(render([found]), diagnostics.repeats(found)) for found in diagnostics]
    return [*facts, *told]


def facts_of(graph: Graph) -> Iterator[object]:
    for node in graph.nodes:
        yield node.index, repr(node.operator), node.inputs, str(node.type), node.path, str(node.span), node.span.end
    yield from graph.parameters.items()
    pending: list[Scope | int] = [graph.root]
    while pending:
        item = pending.pop()
        if isinstance(item, int):
            yield item
            continue
        yield item.kind, item.label, item.path, item.callee, list(item.arguments.items()), str(item.span)
        yield item.input, item.output, item.given, len(item.children)
        pending.extend(item.children)


def agree(text: str, **settings: object) -> list[object]:
    """Check that copying makes no difference; gives all that there is."""
    copied, built = (everything(text, reuse=reuse, **settings) for reuse in (True, False))  # type: ignore[arg-type]
    assert copied == built
    return copied
