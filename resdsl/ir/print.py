"""A graph as text, for people and for tests: one line a node, scopes as braces.

::

    graph tiny(%image: f32[N, 3, 8, 8]) {
      %conv1 = conv(4, 3x3) %image -> [N, 4, 8, 8]
      stage layer1 {
        block 0: basic(width = 4) {
          %layer1.0.conv1 = conv(4, 3x3) %conv1 -> [N, 4, 8, 8] {weight: checkpoint}
        }
      }
      output logits = %layer1.0.conv1
    }

Sources of weights are shown where they are not initializers. Positions in the source are left out, so that the text of
a graph changes only where the graph does.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from resdsl.ir.graph import Derived, Graph, Node, Parameter, Scope, Stored
from resdsl.ir.initializers import Initializer
from resdsl.ir.operator import Operator
from resdsl.ir.preprocess import Step
from resdsl.ir.types import Size
from resdsl.ir.values import format_value
from resdsl.untrusted import printable


def describe(operator: Operator, *, explicit: bool = False) -> str:
    """An operator as the language writes its call: ``conv(64, 7x7, stride = 2)``.

    Arguments at their defaults are left out, unless ``explicit``. What the language has no call for, such as a join,
    is called by the name of its class.
    """
    if (other := operator.foreign()) is not None:
        written = [f"{printable(name)} = {attribute_text(value)}" for name, value in other.attributes.items()]
        return f"{printable(other.type)}({', '.join(written)})" if written else printable(other.type)
    arguments: list[str] = []
    for field in dataclasses.fields(operator):
        value = getattr(operator, field.name)
        if field.default is dataclasses.MISSING:
            # A required size is a kernel, which is written out: 3x3.
            arguments.append(str(value) if isinstance(value, Size) else format_value(value, shortest=True))
        elif explicit or value != field.default:
            arguments.append(f"{field.name} = {format_value(value, shortest=True)}")
    name = operator_name(operator)
    return f"{name}({', '.join(arguments)})" if arguments else name


def attribute_text(value: object) -> str:
    """An attribute of an operator of another language, cut where it is long."""
    return printable(format_value(value, shortest=True), most=60)


def describe_step(step: Step) -> str:
    """A step of preprocessing as the language writes it: ``resize(256)``. Arguments at their defaults are left out."""
    arguments: list[str] = []
    for field in dataclasses.fields(step):
        value = getattr(step, field.name)
        if value != field.default:
            # What comes first has no default and needs no name; the rest reads better with one.
            named = bool(arguments) or isinstance(value, tuple)
            text = format_value(value, shortest=True)
            arguments.append(f"{field.name} = {text}" if named else text)
    return f"{type(step).__name__.lower()}({', '.join(arguments)})"


def operator_name(operator: Operator) -> str:
    if (other := operator.foreign()) is not None:
        return printable(other.type)
    return operator.name or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(operator).__name__).lower()


def print_graph(graph: Graph) -> str:
    """The whole graph, with a newline at the end."""
    return "".join(f"{line}\n" for line in _Printer(graph).lines())


class _Printer:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._weights: dict[int, list[Parameter]] = {}
        for parameter in graph.parameters.values():
            self._weights.setdefault(parameter.node, []).append(parameter)

    def lines(self) -> Iterator[str]:
        graph = self._graph
        yield f"graph {graph.name}(%{graph.input_name}: {graph.input.type.dtype}{graph.input.type}) {{"
        # A stack and not recursion: its limits decide how deep a specification may nest.
        pending: list[tuple[str, Scope | int | None]] = [("  ", child) for child in reversed(graph.root.children)]
        while pending:
            indent, item = pending.pop()
            if item is None:
                yield f"{indent}}}"
            elif isinstance(item, int):
                if item != graph.input.index:
                    yield indent + self._node(graph.nodes[item])
            else:
                yield f"{indent}{_scope(item)} {{"
                pending.append((indent, None))
                pending.extend((indent + "  ", child) for child in reversed(item.children))
        for output in graph.outputs:
            yield f"  {'aux ' if output.aux else ''}output {output.name} = {self._value(output.node)}"
        yield "}"

    def _value(self, index: int) -> str:
        return f"%{self._graph.nodes[index].path}" if index != self._graph.input.index else f"%{self._graph.input_name}"

    def _node(self, node: Node) -> str:
        inputs = ", ".join(self._value(index) for index in node.inputs)
        return f"{self._value(node.index)} = {describe(node.operator)} {inputs} -> {node.type}{self._sources(node)}"

    def _sources(self, node: Node) -> str:
        sources = [
            f"{parameter.name.removeprefix(node.path + '.')}: {_source(parameter.source)}"
            for parameter in self._weights.get(node.index, ())
            if not isinstance(parameter.source, Initializer)
        ]
        return f" {{{', '.join(sources)}}}" if sources else ""


def _scope(scope: Scope) -> str:
    arguments = ", ".join(f"{name} = {value}" for name, value in scope.arguments.items())
    arguments = f"({arguments})" if arguments else ""
    if not scope.callee:
        return f"{scope.kind} {scope.label}{arguments}"
    return f"{scope.kind} {scope.label}: {scope.callee}{arguments}".replace(" : ", " ")


def _source(source: Stored | Derived) -> str:
    if isinstance(source, Derived):
        owners = dict.fromkeys(operand.name.rpartition(".")[0] for operand in source.operands)
        return f"{source.function.name}({', '.join(owners)})"
    return f'"{source.key}" of {source.checkpoint.name}'
