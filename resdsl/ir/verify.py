"""Invariants of every graph. A graph that breaks one is a bug in the compiler, never a user's error."""

from __future__ import annotations

from resdsl.gc_pause import collection_paused
from resdsl.ir.application import Application
from resdsl.ir.graph import Graph
from resdsl.ir.operator import Refusal


class InvalidGraph(Exception):
    """A pass, or the elaborator, made an invalid graph."""


def verify(graph: Graph) -> None:
    """Raise ``InvalidGraph`` unless nodes, types, weights, outputs, scopes and names are consistent."""
    if not graph.nodes:
        raise InvalidGraph("there is no input")
    with collection_paused():
        _verify_order(graph)
        _verify_types(graph)
        _verify_parameters(graph)
        _verify_outputs(graph)
        _verify_aux(graph)
        _verify_scopes(graph)
        _verify_names(graph)


def _verify_order(graph: Graph) -> None:
    for place, node in enumerate(graph.nodes):
        if node.index != place:
            raise InvalidGraph(f"{node.path} stands at {place} and has index {node.index}")
        if place == 0 and node.inputs:
            raise InvalidGraph("node 0 is the input and reads other values")
        for index in node.inputs:
            if not 0 <= index < place:
                message = f"{node.path} (node {place}) reads node {index}, which is not computed before it"
                raise InvalidGraph(message)


def _verify_types(graph: Graph) -> None:
    """Infer every type anew, for all nodes that do the same at once."""
    verified: set[Application] = set()
    for node, applied in zip(graph.nodes, graph.applications, strict=True):
        if applied in verified or node.index == 0:
            continue
        verified.add(applied)
        try:
            result = node.operator.infer(*applied.inputs)
        except Refusal as refusal:
            raise InvalidGraph(f"{node.path} does not take its inputs: {refusal.message}") from refusal
        if result != node.type:
            raise InvalidGraph(f"{node.path} has type {node.type}, and gives {result}")


def _verify_parameters(graph: Graph) -> None:
    expected = {
        f"{node.path}.{spec.name}": (spec, node.index)
        for node, applied in zip(graph.nodes, graph.applications, strict=True)
        for spec in applied.parameters
    }
    for name, parameter in graph.parameters.items():
        if parameter.name != name:
            raise InvalidGraph(f"the parameter {parameter.name} is filed as {name}")
        if name not in expected:
            raise InvalidGraph(f"no operator owns the parameter {name}")
        spec, node = expected[name]
        actual = (parameter.shape, parameter.dtype, parameter.trainable, parameter.node)
        wanted = (spec.shape, spec.dtype, spec.trainable, node)
        if actual != wanted:
            raise InvalidGraph(f"{name}: shape, type, trainable and node should be {wanted}, and are {actual}")
    if len(expected) > len(graph.parameters):
        raise InvalidGraph(f"the parameter {min(expected.keys() - graph.parameters.keys())} is missing")


def _verify_outputs(graph: Graph) -> None:
    if not graph.outputs:
        raise InvalidGraph("there is no output")
    names: set[str] = {graph.input_name}
    for output in graph.outputs:
        if not 0 <= output.node < len(graph.nodes):
            raise InvalidGraph(f"the output {output.name} is node {output.node}, which does not exist")
        if output.name in names:
            raise InvalidGraph(f"two inputs or outputs are called {output.name}")
        names.add(output.name)


def _verify_aux(graph: Graph) -> None:
    aux = graph.aux_nodes
    for output in graph.outputs:
        if output.aux != (output.node in aux):
            raise InvalidGraph(f"the output {output.name} is {'in no' if output.aux else 'in an'} aux head")
    if not aux:
        return
    for node in graph.nodes:
        if node.index not in aux and not aux.isdisjoint(node.inputs):
            raise InvalidGraph(f"{node.path} reads a value of an aux head, and is in none")


def _verify_scopes(graph: Graph) -> None:
    covered: list[int] = []
    scopes = [graph.root]
    for scope in scopes:
        for child in scope.children:
            if isinstance(child, int):
                covered.append(child)
            else:
                scopes.append(child)
    once = set(covered)
    if len(once) != len(covered):
        twice = next(index for index in covered if covered.count(index) > 1)
        raise InvalidGraph(f"node {twice} is in two scopes")
    # The input may stand in a scope, and need not.
    astray = (once ^ set(range(len(graph.nodes)))) - {0}
    if astray:
        index = min(astray)
        where = "in no scope" if index < len(graph.nodes) else "in a scope, and does not exist"
        raise InvalidGraph(f"node {index} is {where}")
    for scope in scopes:
        for end in (scope.input, scope.output):
            if not 0 <= end < len(graph.nodes):
                raise InvalidGraph(
                    f"an end of the scope {scope.path or scope.callee} is node {end}, which does not exist"
                )


def _verify_names(graph: Graph) -> None:
    seen: set[str] = set()
    for node in graph.nodes[1:]:
        if node.path in seen:
            raise InvalidGraph(f"two nodes are called {node.path}")
        if ":" in node.path or not node.path:
            raise InvalidGraph(f"node {node.index} is called {node.path!r}")
        seen.add(node.path)
