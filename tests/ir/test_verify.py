"""The verifier accepts what the front end makes, and nothing that is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from resdsl.diagnostics import Source
from resdsl.ir.graph import Graph, Node, Output, Scope, ScopeKind
from resdsl.ir.verify import InvalidGraph, verify
from resdsl.ops.relu import Relu

from ..building import network

SPAN = Source("test.res", "").span(0, 0)


def valid() -> Graph:
    return network("a: conv(4, 3x3)\n  inner: { b: bn }\n  c: relu\n  output y")


def with_node(graph: Graph, index: int, /, **changes: object) -> Graph:
    nodes = list(graph.nodes)
    nodes[index] = replace(nodes[index], **changes)  # type: ignore[arg-type]
    return replace(graph, nodes=tuple(nodes))


def with_parameter(graph: Graph, name: str, /, **changes: object) -> Graph:
    parameter = replace(graph.parameters[name], **changes)  # type: ignore[arg-type]
    return replace(graph, parameters={**graph.parameters, name: parameter})


def with_children(graph: Graph, *children: Scope | int) -> Graph:
    return replace(graph, root=replace(graph.root, children=list(children)))


def without(graph: Graph, name: str) -> Graph:
    return replace(graph, parameters={key: value for key, value in graph.parameters.items() if key != name})


def extra(graph: Graph) -> Graph:
    return replace(graph, nodes=(*graph.nodes, Node(4, Relu(), (3,), graph.nodes[3].type, "d", SPAN)))


def test_what_the_front_end_makes_is_valid() -> None:
    verify(valid())


BROKEN: dict[str, tuple[Callable[[Graph], Graph], str]] = {
    "an index": (lambda g: with_node(g, 2, index=3), "stands at 2 and has index 3"),
    "order": (lambda g: with_node(g, 1, inputs=(2,)), "not computed before it"),
    "a node that does not exist": (lambda g: with_node(g, 3, inputs=(-1,)), "not computed before it"),
    "an input that reads": (lambda g: with_node(g, 0, inputs=(0,)), "node 0 is the input"),
    "a type": (lambda g: with_node(g, 3, type=g.nodes[0].type), "and gives"),
    "an operator": (lambda g: with_node(g, 3, operator=replace(g.nodes[1].operator, groups=3)), "does not take"),
    "a missing parameter": (lambda g: without(g, "a.weight"), "a.weight is missing"),
    "a parameter of nobody": (
        lambda g: replace(g, parameters={**g.parameters, "x.y": replace(g.parameters["a.weight"], name="x.y")}),
        "no operator owns the parameter x.y",
    ),
    "a parameter's key": (lambda g: with_parameter(g, "a.weight", name="b"), "is filed as a.weight"),
    "a parameter's shape": (lambda g: with_parameter(g, "a.weight", shape=(4, 3, 3, 1)), "a.weight: shape"),
    "a parameter's node": (lambda g: with_parameter(g, "a.weight", node=2), "a.weight: shape"),
    "a buffer that trains": (lambda g: with_parameter(g, "inner.b.running_var", trainable=True), "inner.b.running_var"),
    "no output": (lambda g: replace(g, outputs=()), "there is no output"),
    "an output of nothing": (lambda g: replace(g, outputs=(Output("y", 4, SPAN),)), "which does not exist"),
    "two outputs of a name": (
        lambda g: replace(g, outputs=(Output("y", 1, SPAN), Output("y", 2, SPAN))),
        "are called y",
    ),
    "an output called as the input": (lambda g: replace(g, outputs=(Output("x", 1, SPAN),)), "are called x"),
    "two nodes of a name": (lambda g: with_node(g, 3, path="inner.b"), "two nodes are called inner.b"),
    "a node without a name": (lambda g: with_node(g, 3, path=""), "is called ''"),
    "a node in no scope": (extra, "node 4 is in no scope"),
    "a node in two scopes": (lambda g: with_children(g, *g.root.children, 3), "node 3 is in two scopes"),
    "a scope of nothing": (lambda g: with_children(g, *g.root.children, 9), "node 9 is in a scope"),
    "an end of a scope": (
        lambda g: with_children(g, *g.root.children, Scope(ScopeKind.GROUP, "more", "more", "", {}, SPAN, [], 0, 17)),
        "an end of the scope more",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_graph_is_reported(kind: str) -> None:
    breaks, message = BROKEN[kind]
    with pytest.raises(InvalidGraph, match=message):
        verify(breaks(valid()))
