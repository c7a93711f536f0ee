"""Which nodes read a value."""

from __future__ import annotations

from functools import cached_property

from resdsl.ir.graph import Graph, Node


class Readers:
    """For each value of a graph, the nodes that read it; a node that reads it twice counts twice.

    The graph is walked on the first question: most passes find nothing to ask about.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    @cached_property
    def _readers(self) -> dict[int, list[Node]]:
        readers: dict[int, list[Node]] = {}
        for node in self._graph.nodes:
            for index in node.inputs:
                readers.setdefault(index, []).append(node)
        return readers

    @cached_property
    def _outputs(self) -> set[int]:
        return {output.node for output in self._graph.outputs}

    def only(self, node: Node) -> Node | None:
        """The single reader of a value that is not an output; ``None`` if there are none, several, or an output."""
        readers = self._readers.get(node.index, [])
        return readers[0] if len(readers) == 1 and node.index not in self._outputs else None

    def all(self, node: Node) -> tuple[Node, ...]:
        """Every reader of a value that is not an output; empty for an output."""
        return tuple(self._readers.get(node.index, ())) if node.index not in self._outputs else ()
