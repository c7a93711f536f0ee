"""Make the heads that only training needs part of the network."""

from __future__ import annotations

from dataclasses import replace

from resdsl.ir.graph import Graph, Scope, ScopeKind


def include_aux(graph: Graph) -> Graph:
    """Make ``aux`` heads groups like any other, which count, and whose outputs are outputs of the network.

    Refused: nothing.
    """
    if not graph.aux_nodes:
        return graph
    outputs = tuple(replace(output, aux=False) for output in graph.outputs)
    return replace(graph, outputs=outputs, root=_with_groups(graph.root))


def _with_groups(root: Scope) -> Scope:
    """A copy of the tree, from the leaves up."""
    copies: dict[int, Scope] = {}
    for scope in root.leaves_first():
        copies[id(scope)] = replace(
            scope,
            kind=ScopeKind.GROUP if scope.kind is ScopeKind.AUX else scope.kind,
            children=[copies[id(child)] if isinstance(child, Scope) else child for child in scope.children],
        )
    return copies[id(root)]
