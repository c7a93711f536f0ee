"""Whether two graphs are one network."""

from __future__ import annotations

from collections.abc import Hashable

from resdsl.ir.graph import Graph, Node
from resdsl.ops.join import Join


def same_network(old: Graph, new: Graph) -> bool:
    """Whether two graphs compute the same outputs from the same tensors, in any order of nodes."""
    if (old.input_name, old.input.type) != (new.input_name, new.input.type):
        return False
    numbers: dict[Hashable, int] = {}
    return _outputs(old, numbers) == _outputs(new, numbers, complete=True)


def _outputs(
    graph: Graph, numbers: dict[Hashable, int], *, complete: bool = False
) -> tuple[dict[tuple[str, bool], int], frozenset[int]] | None:
    """A number for each output, equal for equal computations, and the numbers of all nodes.

    With ``complete``, no new number is assigned, and the result is ``None`` if a node has none.
    """
    operators: dict[int, int] = {}
    number_of: list[int] = []
    for node, applied in zip(graph.nodes, graph.applications, strict=True):
        operator = operators.get(id(applied))
        if operator is None:
            operator = operators[id(applied)] = numbers.setdefault(applied.canonical, len(numbers))
        inputs = [number_of[index] for index in node.inputs]
        if len(inputs) > 1 and commutes(node):
            inputs.sort()
        key = (operator, *inputs, node.path if applied.parameters else "")
        if complete and key not in numbers:
            return None
        number_of.append(numbers.setdefault(key, len(numbers)))
    return {(output.name, output.aux): number_of[output.node] for output in graph.outputs}, frozenset(number_of)


def commutes(node: Node) -> bool:
    """Whether the order of its inputs does not matter."""
    return isinstance(node.operator, Join) and node.operator.join != "concat"
