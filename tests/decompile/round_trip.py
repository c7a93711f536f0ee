"""A graph as a text and back, and how long a text is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

from resdsl.analysis.same_network import same_network
from resdsl.decompile.program import Blocks, Program, decompile
from resdsl.decompile.text import program_text
from resdsl.diagnostics import Diagnostics, Source
from resdsl.diagnostics.render import render
from resdsl.elaborate import elaborate, load_program
from resdsl.elaborate.program import Defined
from resdsl.elaborate.program import Program as LoadedProgram
from resdsl.ir.graph import Graph
from resdsl.syntax import tree


class Written(NamedTuple):
    """The text of a graph, and which blocks it has."""

    text: str
    program: Program
    blocks: Blocks


def loaded(text: str) -> LoadedProgram:
    diagnostics = Diagnostics()
    program = load_program(Source("again.res", text), diagnostics)
    assert not diagnostics.errors, f"{render(diagnostics.errors)}\n{text}"
    return program


def graph_of(text: str, model: str | None = None) -> Graph:
    """The graph of a text without errors."""
    diagnostics = Diagnostics()
    graph = elaborate(loaded(text), diagnostics, model=model)
    assert graph is not None, f"{render(diagnostics.errors)}\n{text}"
    assert not diagnostics.errors, f"{render(diagnostics.errors)}\n{text}"
    return graph


def names(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Every tensor and its shape."""
    return {name: parameter.shape for name, parameter in graph.parameters.items()}


def is_same(graph: Graph, text: str) -> bool:
    """Whether a text is accepted and gives the same network with the same tensors."""
    diagnostics = Diagnostics()
    again = elaborate(load_program(Source("again.res", text), diagnostics), diagnostics)
    if again is None or diagnostics.errors:
        return False
    return names(again) == names(graph) and same_network(graph, again)


def written(graph: Graph, *, library: bool = True, first: Blocks = Blocks.VARIANTS) -> Written:
    """The text that is the same network, with the blocks of ``first`` or, where that one is not, with fewer."""
    attempts: list[str] = []
    for blocks in list(Blocks)[list(Blocks).index(first) :]:
        program = decompile(graph, library=library, blocks=blocks)
        text = program_text(program)
        if is_same(graph, text):
            return Written(text, program, blocks)
        attempts.append(text)
    raise AssertionError("no text is the same network:\n" + "\n".join(attempts))


# --- length ---------------------------------------------------------------------------------------------------------

NOT_COUNTED = (tree.Expect, tree.Preprocess, tree.Labels)
"""Statements that do not build the network."""


def statements(program: LoadedProgram, model: str | None = None) -> int:
    """Statements of a model and of each block and model that it uses, from its own file or others.

    A definition is one statement, and so are a call, a loop, a condition, a join and a labelled group, with those
    inside them counted on their own.
    """
    (start,) = [one for one in program.main.models if model is None or one.name == model]
    known = {id(start.tree): start}
    waiting = [start]
    while waiting:
        for used in _used(waiting.pop()):
            if id(used.tree) not in known:
                known[id(used.tree)] = used
                waiting.append(used)
    return sum(1 + _count(defined.tree) for defined in known.values())


def _used(defined: Defined) -> Iterator[Defined]:
    for node in _below(defined.tree):
        name = node.callee.name if isinstance(node, tree.Call) else node.name if isinstance(node, tree.Name) else ""
        if name in defined.unit.definitions:
            yield defined.unit.definitions[name]


def _count(top: tree.Tree) -> int:
    bodies = (node for node in _below(top) if isinstance(node, tree.Body))
    return sum(not isinstance(one, NOT_COUNTED) for body in bodies for one in body.statements)


def _below(top: object) -> Iterator[tree.Tree]:
    waiting = [top]
    while waiting:
        one = waiting.pop()
        if isinstance(one, tuple):
            waiting += one
        elif isinstance(one, tree.Tree):
            yield one
            waiting += [getattr(one, field.name) for field in dataclasses.fields(one)]
