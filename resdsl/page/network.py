"""A graph as plain data for the page. Equal blocks are stored once, so the size does not grow with the depth.

::

    {
      "name": "resnet50", "source": "resnet50.res", "input": "image",
      "at": {"H": 224, "W": 224},     # values of symbolic input sizes for costs
      "depth": 50, "leaves": 177,
      "outputs": [["logits", 174]],   # names and leaves
      "types": [{"dtype": "f32", "shape": ["N", "64", "56", "56"], "level": 2}],
      "fields": [[7, 7, 2, 2]],       # size and stride of receptive fields, rows and columns
      "field_of": [0, -1],            # for each leaf; -1 sees the whole image
      "pieces": [PIECE], "root": 93,
      "files": [{"name": "resnet50.res", "lines": [["k", "use", "", " "]]}]
    }

A *leaf* is an operator node, numbered in the order of computation; leaf 0 is the input. A PIECE is the shared data of
equal leaves or equal scopes::

    {"op": "conv", "title": "3x3 conv, 64", "call": "conv(64, 3x3)", "arguments": [["kernel", "3x3", true]],
     "from": [1], "weight": true, "snug": false, "tensors": [["weight", "[64, 64, 3, 3]", true]], ...}
    {"kind": "block", "callee": "bottleneck", "call": "bottleneck(64)", "arguments": [["width", "64", true]],
     "children": [["conv1", 17]], "leaves": 12, "out": 11, ...}

Both have ``in`` and ``type`` (indices into ``types`` of the input and the output), ``cost`` (parameters, buffers, MACs,
activations and their bytes, for one image), and ``at``: file, line and column of the start, line and column of the end.
``from`` are the distances in leaves to the inputs, ``back`` the distance from a scope's first leaf to its input, and
``out`` the offset of its output leaf. ``snug`` leaves are drawn close below the layer before them. A child is a label
and a piece. The third item of an argument is whether it is explicit in the call (or differs from its default).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from math import log2
from typing import Any, NamedTuple

from resdsl.analysis.cost import Cost, costs
from resdsl.analysis.receptive import receptive_fields
from resdsl.diagnostics.source import Source, Span
from resdsl.ir.dims import evaluate, symbols
from resdsl.ir.graph import Graph, Node, Scope, ScopeKind
from resdsl.ir.operator import Operator
from resdsl.ir.print import attribute_text, describe, operator_name
from resdsl.ir.types import Size, TensorType
from resdsl.ir.values import format_value
from resdsl.ops.join import Join
from resdsl.page.text import coloured
from resdsl.untrusted import printable

Data = dict[str, Any]

NOMINAL = 224
"""Substitute for symbolic input sizes in costs: the size of ImageNet crops."""


def network_data(
    graph: Graph, sources: Sequence[Source], *, name: str, title: Callable[[Operator], str] = describe
) -> Data:
    """The data of one network: its graph and its source files, the main one first.

    ``name`` is the name of the main file, ``title`` returns the first line of an operator's box.
    """
    return _Writer(graph, sources, title).data(name)


class _Part(NamedTuple):
    """A piece at one position: first leaf, number of leaves, and their costs."""

    piece: int
    first: int
    leaves: int
    cost: list[int]


class _Writer:
    def __init__(self, graph: Graph, sources: Sequence[Source], title: Callable[[Operator], str]) -> None:
        self._graph = graph
        self._sources = sources
        self._title = title
        self._files = {id(source): number for number, source in enumerate(sources)}
        open_ = sorted(set().union(*map(symbols, graph.input.type.shape[1:])))
        self._sizes = dict.fromkeys(open_, NOMINAL)
        named = set().union(*(symbols(dim) for type_ in {node.type for node in graph.nodes} for dim in type_.shape))
        self._values = dict.fromkeys(sorted({*graph.symbols, *named}), 1) | self._sizes
        self._costs = [_numbers(cost, self._values) for cost in costs(graph)]
        self._order = {index: place for place, index in enumerate(graph.root.nodes())}
        self._types: dict[TensorType, int] = {}
        self._pieces: list[Data] = []
        self._known: dict[Hashable, int] = {}

    def data(self, name: str) -> Data:
        graph = self._graph
        root = self._tree()
        fields, field_of = self._fields()
        return {
            "name": graph.name,
            "source": name,
            "input": graph.input_name,
            "at": self._sizes,
            "depth": graph.depth,
            "leaves": len(self._order),
            "outputs": [[output.name, self._order[output.node]] for output in graph.outputs],
            "types": [self._type_data(type_) for type_ in self._types],
            "fields": fields,
            "field_of": field_of,
            "pieces": self._pieces,
            "root": root,
            "files": [{"name": source.name, "lines": coloured(source.text)} for source in self._sources],
        }

    def _tree(self) -> int:
        """The piece of the whole network. Uses a stack: nesting can exceed the recursion limit."""
        pending = [self._graph.root]
        parents_first: list[Scope] = []
        while pending:
            scope = pending.pop()
            parents_first.append(scope)
            pending.extend(child for child in scope.children if isinstance(child, Scope))
        done: dict[int, _Part] = {}
        for scope in reversed(parents_first):
            done[id(scope)] = self._scope(scope, done)
        return done[id(self._graph.root)].piece

    def _scope(self, scope: Scope, done: Mapping[int, _Part]) -> _Part:
        """A scope whose inner scopes are done."""
        children: list[tuple[str, int]] = []
        parts = [done[id(child)] if isinstance(child, Scope) else self._leaf(child) for child in scope.children]
        for child, part in zip(scope.children, parts, strict=True):
            # An empty block is not drawn.
            if part.leaves:
                children.append((_label(self._path_of(child), scope.path), part.piece))
        first = next((part.first for part in parts if part.leaves), 0)
        leaves = sum(part.leaves for part in parts)
        # The cost of a head that only training needs is its own.
        counted = [part.cost for part, child in zip(parts, scope.children, strict=True) if not _is_aux(child)]
        cost = [sum(column) for column in zip(*counted, strict=True)] or [0] * 5
        back, out, at = first - self._order[scope.input], self._order[scope.output] - first, self._place(scope.span)
        arguments = [[name, value, name in scope.given] for name, value in scope.arguments.items()]
        data: Data = {
            "kind": str(scope.kind),
            "callee": scope.callee,
            "call": _call(scope),
            "arguments": arguments,
            "children": children,
            "leaves": leaves,
            "back": back,
            "out": out,
            "in": self._type(self._graph.nodes[scope.input].type),
            "type": self._type(self._graph.nodes[scope.output].type),
            "cost": cost,
            "at": at,
        }
        key = (scope.kind, scope.callee, _frozen(arguments), tuple(children), back, out, *at)
        return _Part(self._piece(key, data), first, leaves, cost)

    def _leaf(self, index: int) -> _Part:
        node, place = self._graph.nodes[index], self._order[index]
        types = self._graph.input_types(node)
        back = tuple(place - self._order[source] for source in node.inputs)
        at = self._place(node.span)
        key = (node.operator, types, node.type, back, *at)
        number = self._known.get(key)
        if number is None:
            number = self._piece(key, self._operator(node, types) | {"from": back, "at": at})
        return _Part(number, place, 1, self._costs[index])

    def _operator(self, node: Node, types: Sequence[TensorType]) -> Data:
        operator, name, is_input = node.operator, self._graph.input_name, node.index == self._graph.input.index
        tensors = () if is_input else self._graph.parameters_of(node)
        prefix = f"{node.path}."
        return {
            "op": "input" if is_input else operator_name(operator),
            "title": name if is_input else self._title(operator),
            "call": name if is_input else describe(operator),
            "arguments": _arguments(operator),
            "weight": operator.counts_as_layer,
            "snug": operator.drawn_inside and (not types or types[0] == node.type),
            "join": operator.join if isinstance(operator, Join) else "",
            "tensors": [[one.name.removeprefix(prefix), str(list(one.shape)), one.trainable] for one in tensors],
            "in": self._type(types[0] if types else node.type),
            "type": self._type(node.type),
            "cost": self._costs[node.index],
        }

    def _piece(self, key: Hashable, data: Data) -> int:
        number = self._known.setdefault(key, len(self._pieces))
        if number == len(self._pieces):
            self._pieces.append(data)
        return number

    def _path_of(self, child: Scope | int) -> str:
        if isinstance(child, Scope):
            return child.path
        return self._graph.nodes[child].path or self._graph.input_name

    def _place(self, span: Span) -> tuple[int, ...]:
        """File, start line and column, end line and column; file -1 if the text is not shown."""
        start, end = span.position, span.source.position(max(span.start, span.end))
        return (self._files.get(id(span.source), -1), *start, *end)

    def _type(self, type_: TensorType) -> int:
        return self._types.setdefault(type_, len(self._types))

    def _type_data(self, type_: TensorType) -> Data:
        return {
            "dtype": str(type_.dtype),
            "shape": [str(dim) for dim in type_.shape],
            "level": self._level(type_),
        }

    def _level(self, type_: TensorType) -> int:
        """The number of halvings of the input height; -1 for values that are not images."""
        source = self._graph.input.type
        if type_.rank != 4 or source.rank != 4:
            return -1
        rows, whole = (evaluate(one.shape[2], self._values) for one in (type_, source))
        if rows <= 1 < whole or min(rows, whole) < 1:
            return -1
        return max(0, round(log2(whole / rows)))

    def _fields(self) -> tuple[list[list[int]], list[int]]:
        distinct: dict[tuple[int, ...], int] = {}
        fields = receptive_fields(self._graph)
        field_of: list[int] = []
        for index in self._order:
            field = fields[index]
            if field is None:
                field_of.append(-1)
                continue
            rows, columns = field.rows, field.columns
            field_of.append(distinct.setdefault((rows.size, columns.size, rows.stride, columns.stride), len(distinct)))
        return [list(field) for field in distinct], field_of


def _numbers(cost: Cost, values: Mapping[str, int]) -> list[int]:
    sizes = (cost.macs, cost.activations, cost.activation_bytes)
    return [cost.parameters, cost.buffers, *(evaluate(size, values) for size in sizes)]


def _is_aux(child: Scope | int) -> bool:
    return isinstance(child, Scope) and child.kind is ScopeKind.AUX


def _label(path: str, around: str) -> str:
    """The path relative to ``around``; a path outside of it is absolute, with a slash."""
    if path == around:
        return ""
    if not around:
        return path
    return path.removeprefix(f"{around}.") if path.startswith(f"{around}.") else f"/{path}"


def _call(scope: Scope) -> str:
    """A call as written, with the values of its arguments: ``bottleneck(64, stride = 2)``."""
    if scope.kind is ScopeKind.STAGE:
        return _written("stage", [f"{name} = {value}" for name, value in scope.arguments.items()])
    if scope.kind is ScopeKind.AUX:
        return "aux"
    text = scope.span.text
    given = [
        f"{name} = {value}" if re.search(rf"\b{name}\s*=", text) else value
        for name, value in scope.arguments.items()
        if name in scope.given
    ]
    return _written(scope.callee, given)


def _written(name: str, arguments: Sequence[str]) -> str:
    return f"{name}({', '.join(arguments)})" if arguments else name


def _arguments(operator: Operator) -> list[list[object]]:
    if (other := operator.foreign()) is not None:
        return [[printable(name), attribute_text(value), True] for name, value in other.attributes.items()]
    arguments: list[list[object]] = []
    for field in dataclasses.fields(operator):
        value = getattr(operator, field.name)
        # As in a call: required arguments such as a kernel are written in full (3x3).
        is_required = field.default is dataclasses.MISSING
        text = str(value) if is_required and isinstance(value, Size) else format_value(value, shortest=True)
        arguments.append([field.name, text, value != field.default])
    return arguments


def _frozen(rows: Sequence[Sequence[object]]) -> Hashable:
    return tuple(tuple(row) for row in rows)
