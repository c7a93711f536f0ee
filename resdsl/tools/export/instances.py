"""The instances of a body that one piece of code stands for, side by side.

A block is called in many places. The code of its class is written once, from all its calls: a *column* is one of them.
Where the columns agree, the code has a literal; where they do not, an expression in constructor arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.recording import BodyRun, StatementRun
from resdsl.elaborate.values import UNKNOWN
from resdsl.ir.graph import Graph, Node
from resdsl.ir.types import TensorType
from resdsl.syntax import tree
from resdsl.tools.export import expressions as py
from resdsl.tools.export.expressions import Expression


class Unfit(Exception):
    """The columns differ in what no expression says. They need code of their own."""


@dataclass(frozen=True, eq=False)
class Network:
    """One elaborated model: the text with one set of arguments."""

    graph: Graph
    builder: GraphBuilder
    root: BodyRun
    overwritten: frozenset[int]
    """The nodes whose result may be computed in place of their input."""

    def type_of(self, index: int | None) -> TensorType:
        assert index is not None
        return self.graph.nodes[index].type


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """A body that is carried out. ``root`` counts the instances of the class that it is written in."""

    run: BodyRun
    root: int
    network: Network

    def inner(self, run: BodyRun) -> Column:
        """A body in this one."""
        return Column(run, self.root, self.network)

    def node(self, index: int | None) -> Node:
        assert index is not None
        return self.network.graph.nodes[index]

    def value(self, expression: tree.Expression, flow: int | None, context: Context | None = None) -> object:
        """The value of an expression of the language here."""
        value = evaluate(self.network.builder, expression, context or self.run.context, flow)
        if value is UNKNOWN:
            raise Unfit("a value is not known")
        return value


class Inexpressible(Exception):
    """An expression of the language has no counterpart in Python."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement is written: the columns, and what the names of the language are called in Python.

    ``inputs`` are the channels of the input of the block or model around.
    """

    columns: tuple[Column, ...]
    names: Mapping[str, Expression]
    inputs: Expression

    def statements(self, position: int) -> tuple[StatementRun, ...]:
        """What each column does at one statement."""
        return tuple(column.run.statements[position] for column in self.columns)

    def inside(
        self, runs: Sequence[BodyRun], names: Mapping[str, Expression] | None = None, origins: Sequence[int] = ()
    ) -> Place:
        """The place in a body of each column. ``origins`` says which column each run is of, if not one each."""
        columns = [self.columns[index] for index in origins] if origins else self.columns
        return Place(
            tuple(column.inner(run) for column, run in zip(columns, runs, strict=True)),
            self.names if names is None else names,
            self.inputs,
        )

    def some(self, chosen: Sequence[bool]) -> Place:
        """Some of the columns."""
        kept = tuple(column for column, is_kept in zip(self.columns, chosen, strict=True) if is_kept)
        return Place(kept, self.names, self.inputs)

    def translated(
        self, expression: tree.Expression, channels: Expression | None, runs: Sequence[StatementRun]
    ) -> Expression:
        """An expression of the language in Python. Raises ``Inexpressible``."""
        return _Translator(self, channels, runs).translated(expression)

    def condition(
        self, expression: tree.Expression, channels: Expression | None, runs: Sequence[StatementRun]
    ) -> tuple[Expression | None, list[bool]]:
        """A condition: as an expression if there is one, and its value in each column."""
        values = [bool(column.value(expression, run.flow)) for column, run in zip(self.columns, runs, strict=True)]
        try:
            return self.translated(expression, channels, runs), values
        except Inexpressible:
            return (py.Literal(values[0]) if len(set(values)) == 1 else None), values


def same(values: Sequence[object]) -> bool:
    """Whether all are equal, and of one type."""
    first = values[0]
    return all(value == first and type(value) is type(first) for value in values)


class _Translator:
    def __init__(self, place: Place, channels: Expression | None, runs: Sequence[StatementRun]) -> None:
        self.place, self.channels, self.runs = place, channels, runs

    def translated(self, expression: tree.Expression) -> Expression:
        match expression:
            case tree.Number():
                return py.Literal(expression.value)
            case tree.String() | tree.Boolean():
                return py.Literal(expression.value)
            case tree.SizeLiteral():
                height, width = expression.height, expression.width
                return py.Literal(height if height == width else (height, width))
            case tree.Name():
                return self._name(expression.name)
            case tree.Binary():
                return self._binary(expression)
            case tree.Unary():
                operand = self.translated(expression.operand)
                if expression.operator == "not":
                    return py.negated(operand)
                return (
                    py.binary("-", py.Literal(0), operand)
                    if isinstance(operand, py.Literal)
                    else py.Unary("-", operand)
                )
            case tree.Conditional():
                condition = self._constant_or(expression.condition)
                if isinstance(condition, py.Literal):
                    return self.translated(expression.value if condition.value else expression.otherwise)
                return py.choice(self.translated(expression.value), condition, self.translated(expression.otherwise))
            case tree.ListLiteral():
                return py.sequence(tuple(self.translated(one) for one in expression.items))
            case tree.Index():
                return py.item(self.translated(expression.operand), self.translated(expression.index))
            case tree.FunctionCall():
                return self._function(expression)
            case _:
                raise Inexpressible

    def _constant_or(self, condition: tree.Expression) -> Expression:
        try:
            return self.translated(condition)
        except Inexpressible:
            values = [
                column.value(condition, run.flow) for column, run in zip(self.place.columns, self.runs, strict=True)
            ]
            if not same(values):
                raise
            return py.Literal(values[0])

    def _name(self, name: str) -> Expression:
        found = self.place.names.get(name)
        if found is not None:
            return found
        if name not in self.place.columns[0].run.context.variables:
            known = {"channels": self.channels, "channels_in": self.place.inputs}.get(name)
            if known is not None:
                return known
        raise Inexpressible

    def _binary(self, expression: tree.Binary) -> Expression:
        sign = expression.operator
        if sign in ("and", "or"):
            return py.binary(sign, self._constant_or(expression.left), self._constant_or(expression.right))
        if sign in ("==", "!="):
            return self._equal(expression)
        return py.binary(sign, self.translated(expression.left), self.translated(expression.right))

    def _equal(self, expression: tree.Binary) -> Expression:
        left, right = self.translated(expression.left), self.translated(expression.right)
        return py.binary(expression.operator, left, right)

    def _function(self, expression: tree.FunctionCall) -> Expression:
        name = expression.function.name
        if name not in ("min", "max", "len", "round"):
            raise Inexpressible
        return py.function(name, tuple(self.translated(one.value) for one in expression.arguments))


def values_of(
    expression: Expression, columns: Sequence[Column], value_of: Callable[[str, Column], object]
) -> list[object]:
    """The value of an expression of Python in each column."""
    return [py.evaluated(expression, lambda name, column=column: value_of(name, column)) for column in columns]  # type: ignore[misc]
