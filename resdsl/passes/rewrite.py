"""How passes change a graph: changes are recorded by node, then applied at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from resdsl.diagnostics import Span
from resdsl.ir.graph import Graph, Node, Parameter, Scope
from resdsl.ir.operator import Operator
from resdsl.ir.types import TensorType


class Rewrite:
    """Changes to a graph, which itself stays as it is.

    A value is named by the index of its node in the old graph; ``insert`` returns further numbers for new values.
    ``apply`` numbers everything again and drops scopes that became empty.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._substitutes: dict[int, int | None] = {}
        self._removed: set[int] = set()
        self._replaced: dict[int, Node] = {}
        self._retyped: set[int] = set()
        self._inserted: dict[int, list[Node]] = {}
        self._outputs: dict[int, int] = {}
        self._parameters: dict[int, tuple[Parameter, ...]] = {}
        self._types: list[TensorType] = [node.type for node in graph.nodes]
        self._paths: set[str] = set()

    def __contains__(self, node: Node) -> bool:
        """Whether the node is removed or replaced."""
        return node.index in self._removed or node.index in self._replaced

    def type_of(self, value: int) -> TensorType:
        """The type of a value after the changes so far."""
        return self._types[value]

    def remove(self, node: Node, substitute: int | None) -> None:
        """Leave out a node and its parameters; its readers read ``substitute``, an earlier value.

        ``None`` is for a node whose readers are all removed too.
        """
        self._removed.add(node.index)
        self._substitutes[node.index] = substitute

    def replace(self, node: Node, operator: Operator, parameters: Iterable[Parameter] | None = None) -> None:
        """Give a node another operator that returns the same type.

        ``parameters`` are all of its parameters, in the order of a state dict; ``None`` leaves them as they are.
        """
        self._replaced[node.index] = Node(node.index, operator, node.inputs, node.type, node.path, node.span)
        if parameters is not None:
            self._parameters[node.index] = tuple(parameters)

    def retype(
        self, node: Node, operator: Operator, inputs: Iterable[int], parameters: Iterable[Parameter] | None = None
    ) -> None:
        """Give a node other inputs, none of them removed, and the type that its operator infers from them."""
        self.replace(node, operator, parameters)
        self._replaced[node.index] = self._node(node.index, operator, inputs, node.path, node.span)
        self._types[node.index] = self._replaced[node.index].type
        self._retyped.add(node.index)

    def insert(self, operator: Operator, inputs: Iterable[int], path: str, *, after: Node) -> int:
        """Add a node behind ``after``, in its scope, and return its value. A path that is in use gets underscores."""
        if not self._paths:
            self._paths.update(node.path for node in self._graph.nodes)
        while path in self._paths:
            path += "_"
        self._paths.add(path)
        new = self._node(len(self._types), operator, inputs, path, after.span)
        self._types.append(new.type)
        self._inserted.setdefault(after.index, []).append(new)
        return new.index

    def substitute(self, node: Node, value: int) -> None:
        """Let outputs, scopes, and readers that ``retype`` gave no inputs use ``value`` in place of the node's."""
        self._substitutes[node.index] = value

    def set_output(self, node: int, value: int) -> None:
        """Let the outputs of an old value return ``value``."""
        self._outputs[node] = value

    def apply(self) -> Graph:
        """The changed graph; the same object where nothing was recorded."""
        if not (self._removed or self._replaced or self._inserted):
            return self._graph
        graph = self._graph
        numbers = self._numbers()
        # What old inputs, outputs and scopes refer to. A substitute is an earlier value, or a new one.
        uses = list(numbers)
        for node, substitute in sorted(self._substitutes.items()):
            uses[node] = -1 if substitute is None else uses[substitute]
        return replace(
            graph,
            nodes=tuple(self._nodes(numbers, uses)),
            outputs=tuple(
                replace(
                    output,
                    node=numbers[self._outputs[output.node]] if output.node in self._outputs else uses[output.node],
                )
                for output in graph.outputs
            ),
            root=self._scopes(numbers, uses),
            parameters={parameter.name: parameter for parameter in self._all_parameters(numbers)},
        )

    def _node(self, value: int, operator: Operator, inputs: Iterable[int], path: str, span: Span) -> Node:
        reads = tuple(inputs)
        return Node(value, operator, reads, operator.infer(*[self._types[read] for read in reads]), path, span)

    def _numbers(self) -> list[int]:
        """The new index of each value; -1 for one that is removed."""
        numbers = [-1] * len(self._types)
        count = 0
        for index in range(len(self._graph.nodes)):
            if index not in self._removed:
                numbers[index] = count
                count += 1
            if index in self._inserted:
                for new in self._inserted[index]:
                    numbers[new.index] = count
                    count += 1
        return numbers

    def _nodes(self, numbers: list[int], uses: list[int]) -> Iterator[Node]:
        removed, replaced, retyped, inserted = self._removed, self._replaced, self._retyped, self._inserted
        for node in self._graph.nodes:
            index = node.index
            if index not in removed:
                changed = replaced.get(index, node)
                yield _numbered(changed, numbers[index], numbers if index in retyped else uses)
            if index in inserted:
                for new in inserted[index]:
                    yield _numbered(new, numbers[new.index], numbers)

    def _all_parameters(self, numbers: list[int]) -> Iterator[Parameter]:
        replaced: set[int] = set()
        for parameter in self._graph.parameters.values():
            owner = parameter.node
            if owner in self._removed or owner in replaced:
                continue
            if owner not in self._parameters:
                yield _owned(parameter, numbers[owner])
                continue
            replaced.add(owner)
            for new in self._parameters[owner]:
                yield _owned(new, numbers[owner])

    def _scopes(self, numbers: list[int], uses: list[int]) -> Scope:
        """A copy of the tree, from the leaves up."""
        copies: dict[int, Scope] = {}
        for scope in self._graph.root.leaves_first():
            children: list[Scope | int] = []
            for child in scope.children:
                if isinstance(child, int):
                    if child not in self._removed:
                        children.append(numbers[child])
                    if child in self._inserted:
                        children.extend(numbers[new.index] for new in self._inserted[child])
                elif copies[id(child)].children:
                    children.append(copies[id(child)])
            # An end that is removed with all its readers is in a scope that vanishes; the input stands for it.
            ends = max(uses[scope.input], 0), max(uses[scope.output], 0)
            copies[id(scope)] = replace(scope, children=children, input=ends[0], output=ends[1])
        return copies[id(self._graph.root)]


def _numbered(node: Node, index: int, numbers: list[int]) -> Node:
    inputs = tuple([numbers[value] for value in node.inputs])
    return Node(index, node.operator, inputs, node.type, node.path, node.span)


def _owned(parameter: Parameter, node: int) -> Parameter:
    if parameter.node == node:
        return parameter
    # Not `replace`, which looks at every field: there are more parameters than anything else.
    return Parameter(parameter.name, parameter.shape, parameter.dtype, parameter.trainable, parameter.source, node)
