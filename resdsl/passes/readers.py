"""Which nodes read a value."""

from __future__ import annotations

from resdsl.ir.graph import Graph, Node


class Readers:
    """For each value of a graph, the nodes that read it; a node that reads it twice counts twice."""

    def __init__(self, graph: Graph) -> None:
        self._readers: dict[int, list[Node]] = {}
        for node in graph.nodes:
            for index in node.inputs:
                self._readers.setdefault(index, []).append(node)
        self._outputs = {output.node for output in graph.outputs}

    def only(self, node: Node) -> Node | None:
        """The single reader of a value that is not an output; ``None`` if there are none, several, or an output."""
        readers = self._readers.get(node.index, [])
        return readers[0] if len(readers) == 1 and node.index not in self._outputs else None

    def all(self, node: Node) -> tuple[Node, ...]:
        """Every reader of a value that is not an output; empty for an output."""
        return tuple(self._readers.get(node.index, ())) if node.index not in self._outputs else ()
