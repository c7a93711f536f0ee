"""Making a new graph from an old one, some of its nodes replaced or left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from resdsl.ir.graph import Graph, Node, Output, Parameter, Scope
from resdsl.ir.operator import Operator


@dataclass(frozen=True, slots=True)
class Changes:
    """What a pass decided.

    ``gone`` maps a node that is left out to the node that its readers read instead; a node that nobody reads maps to
    ``None``. ``operators`` are new operators of nodes that stay. ``weights`` are all parameters of those, by node,
    in the order of a state dict, instead of the ones they had.
    """

    gone: Mapping[int, int | None]
    operators: Mapping[int, Operator]
    weights: Mapping[int, tuple[Parameter, ...]]


def rebuild(graph: Graph, changes: Changes) -> Graph:
    """The graph after ``changes``, nodes numbered anew. Scopes that become empty vanish."""
    if not changes.gone and not changes.operators:
        return graph
    index = _numbering(graph, changes)
    nodes = tuple(_nodes(graph, changes, index))
    return replace(
        graph,
        nodes=nodes,
        outputs=tuple(Output(output.name, index[output.node], output.span) for output in graph.outputs),
        root=_scope(graph.root, changes, index),
        parameters={parameter.name: parameter for parameter in _parameters(graph, changes, index)},
    )


def _numbering(graph: Graph, changes: Changes) -> list[int]:
    """For each old node the new number of it, or of what replaces it; -1 where nothing does."""
    index: list[int] = []
    count = 0
    for node in graph.nodes:
        if node.index not in changes.gone:
            index.append(count)
            count += 1
            continue
        # Replacements are computed before what they replace, so theirs are numbered already.
        instead = changes.gone[node.index]
        index.append(-1 if instead is None else index[instead])
    return index


def _nodes(graph: Graph, changes: Changes, index: list[int]) -> Iterator[Node]:
    for node in graph.nodes:
        if node.index not in changes.gone:
            inputs = tuple([index[read] for read in node.inputs])
            operator = changes.operators.get(node.index, node.operator)
            yield Node(index[node.index], operator, inputs, node.type, node.path, node.span)


def _parameters(graph: Graph, changes: Changes, index: list[int]) -> Iterator[Parameter]:
    replaced: set[int] = set()
    for parameter in graph.parameters.values():
        owner = parameter.node
        if owner in changes.gone or owner in replaced:
            continue
        if owner not in changes.weights:
            yield _owned(parameter, index[owner])
            continue
        replaced.add(owner)
        for new in changes.weights[owner]:
            yield _owned(new, index[owner])


def _owned(parameter: Parameter, node: int) -> Parameter:
    if parameter.node == node:
        return parameter
    # Not `replace`, which looks at every field of every one: there are more of them than of anything else.
    return Parameter(parameter.name, parameter.shape, parameter.dtype, parameter.trainable, parameter.source, node)


def _scope(root: Scope, changes: Changes, index: list[int]) -> Scope:
    """A copy of the tree, from the leaves up."""
    copies: dict[int, Scope] = {}
    for scope in root.leaves_first():
        children: list[Scope | int] = []
        for child in scope.children:
            if isinstance(child, int):
                if child not in changes.gone:
                    children.append(index[child])
            elif copies[id(child)].children:
                children.append(copies[id(child)])
        # An end that vanished with all that read it lies in a scope that nobody needs; the input stands for it.
        ends = max(index[scope.input], 0), max(index[scope.output], 0)
        copies[id(scope)] = replace(scope, children=children, input=ends[0], output=ends[1])
    return copies[id(root)]
