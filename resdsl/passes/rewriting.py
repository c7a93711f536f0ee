"""Making a new graph node by node beside an old one, for passes that put nodes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from resdsl.ir.graph import Graph, Node, Output, Parameter, Scope
from resdsl.ir.operator import Operator


class Rewriting:
    """The new nodes so far. ``of`` says which new value stands for an old one, by their indices.

    A pass walks over the old nodes in order, puts in what it wants with ``put`` and each old node with ``keep``. What
    is put in lies in the scope of the old node that it is put in for.
    """

    def __init__(self, graph: Graph) -> None:
        self.nodes: list[Node] = []
        self.of: dict[int, int] = {}
        self._old = graph
        self._put: dict[int, list[int]] = {}
        self._paths = {node.path for node in graph.nodes}

    def put(self, operator: Operator, inputs: Sequence[int], path: str, *, beside: Node) -> int:
        """A new node that reads new values; gives its index. Where ``path`` is taken it gets underscores."""
        while path in self._paths:
            path += "_"
        self._paths.add(path)
        return self._append(operator, inputs, path, beside)

    def keep(self, node: Node, operator: Operator | None = None, inputs: Sequence[int] | None = None) -> int:
        """An old node, which reads what stands for its inputs unless ``inputs`` are given; its type is found anew."""
        reads = [self.of[index] for index in node.inputs] if inputs is None else inputs
        self.of[node.index] = self._append(operator or node.operator, reads, node.path, node)
        return self.of[node.index]

    def finish(self, outputs: Mapping[int, int], parameters: Iterable[Parameter]) -> Graph:
        """The new graph. ``outputs`` are the new values of old outputs, by old node, where ``of`` is not right.

        ``parameters`` belong to old nodes, which were kept.
        """
        old = self._old
        root = self._scope(old.root)
        if old.input.index not in set(old.root.nodes()):
            root = replace(root, children=[*self._put.get(0, [])[1:], *root.children])
        new = (replace(parameter, node=self.of[parameter.node]) for parameter in parameters)
        return replace(
            old,
            nodes=tuple(self.nodes),
            outputs=tuple(
                Output(output.name, outputs.get(output.node, self.of[output.node]), output.span)
                for output in old.outputs
            ),
            root=root,
            parameters={parameter.name: parameter for parameter in new},
        )

    def _append(self, operator: Operator, inputs: Sequence[int], path: str, beside: Node) -> int:
        index = len(self.nodes)
        result = operator.infer(*(self.nodes[read].type for read in inputs))
        self.nodes.append(Node(index, operator, tuple(inputs), result, path, beside.span))
        self._put.setdefault(beside.index, []).append(index)
        return index

    def _scope(self, root: Scope) -> Scope:
        """A copy of the tree, from the leaves up."""
        copies: dict[int, Scope] = {}
        for scope in root.leaves_first():
            children: list[Scope | int] = []
            for child in scope.children:
                children.extend([copies[id(child)]] if isinstance(child, Scope) else self._put[child])
            ends = self.of[scope.input], self.of[scope.output]
            copies[id(scope)] = replace(scope, children=children, input=ends[0], output=ends[1])
        return copies[id(root)]
