"""The groups of a program as the scopes of its graph, for networks that cannot be written as text."""

from __future__ import annotations

import dataclasses

from resdsl.decompile.fit import value_text
from resdsl.decompile.program import Program
from resdsl.decompile.tree import Group, Join, Op, Residual, Sequence
from resdsl.diagnostics import Span
from resdsl.ir.graph import Graph, Scope, ScopeKind


def with_scopes(program: Program) -> Graph:
    """The graph of the program with a tree of scopes: groups, calls of blocks, and joins."""
    graph = program.graph
    root = dataclasses.replace(graph.root, children=[graph.input.index])
    attacher = _Attacher(program, graph.root.span)
    for sequence in (program.top, *program.nest.sides):
        attacher.fill(root, sequence)
    # What no output needs is dropped by the importer, so that every node is below.
    return dataclasses.replace(graph, root=root)


class _Attacher:
    def __init__(self, program: Program, span: Span) -> None:
        self.program = program
        self.span = span

    def fill(self, scope: Scope, sequence: Sequence) -> None:
        for item in sequence.items:
            if isinstance(item, Op):
                scope.children.append(item.node.index)
            elif isinstance(item, Group):
                scope.children.append(self._group(item))
            elif isinstance(item, Join):
                inner = self._scope(scope, ScopeKind.JOIN, item.node.operator.label() or "join", sequence.start)
                for branch in item.branches:
                    self.fill(inner, branch)
                inner.children.append(item.node.index)
                inner.output = item.node.index
                scope.children.append(inner)
            else:
                scope.children.append(self._residual(scope, item))

    def _scope(self, parent: Scope, kind: ScopeKind, callee: str, start: int) -> Scope:
        return Scope(kind, "", parent.path, callee, {}, self.span, [], start)

    def _residual(self, parent: Scope, item: Residual) -> Scope:
        inner = self._scope(parent, ScopeKind.JOIN, "residual", item.main.start)
        kind = "pad" if item.zeros else "projection" if item.shortcut.items else "identity"
        inner.arguments = {"shortcut": kind} if item.scale is None else {"scale": f"{item.factor:g}", "shortcut": kind}
        self.fill(inner, item.main)
        self.fill(inner, item.shortcut)
        if item.scale is not None:
            inner.children.append(item.scale.index)
        inner.children.append(item.node.index)
        inner.output = item.node.index
        return inner

    def _group(self, item: Group) -> Scope:
        family = self.program.families.get(id(item))
        label = item.path.rpartition(".")[2]
        arguments: dict[str, str] = {}
        given: tuple[str, ...] = ()
        if family is not None:
            values = family.call(item).values
            arguments = {one.name: value_text(one.name, values[one.name]) for one in family.fit.parameters}
            given = tuple(
                one.name
                for one in family.fit.parameters
                if one.default is None or arguments[one.name] != value_text(one.name, one.default)
            )
        kind = ScopeKind.GROUP if family is None else ScopeKind.BLOCK
        callee = "" if family is None else family.name
        scope = Scope(kind, label, item.path, callee, arguments, self.span, [], item.body.start, item.body.end)
        scope.given = given
        self.fill(scope, item.body)
        _as_stage(scope.children)
        return scope


def _as_stage(calls: list[Scope | int]) -> None:
    """Of calls of one block, the first may have arguments that the others lack: those of a stage around them."""
    scopes = [one for one in calls if isinstance(one, Scope) and one.kind is ScopeKind.BLOCK]
    if len(scopes) != len(calls) or len(scopes) < 2 or len({one.callee for one in scopes}) > 1:
        return
    first, *rest = ({name: one.arguments[name] for name in one.given} for one in scopes)
    own = {name for name, text in first.items() if rest[0].get(name) != text}
    if all(one == rest[0] for one in rest) and own.isdisjoint(rest[0]) and first.keys() >= rest[0].keys():
        scopes[0].given = tuple(name for name in scopes[0].given if name not in own)
