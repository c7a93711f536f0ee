"""What both forms of a body need: operators, constants, and calls of classes, for all columns of a place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from resdsl.elaborate.recording import BodyRun, StatementRun
from resdsl.ir.graph import Node
from resdsl.ops.concat import Concat
from resdsl.ops.signature import signature
from resdsl.syntax import tree
from resdsl.tools.export import expressions as py
from resdsl.tools.export.classes import NOTHING, ClassWriter, Constructed, Parameter
from resdsl.tools.export.expressions import Expression
from resdsl.tools.export.instances import Column, Inexpressible, Place, Unfit, same
from resdsl.tools.export.layout import Line
from resdsl.tools.export.operators import Applied, Argument, applied, default_of

_POSITIONAL: Mapping[str, tuple[str, ...]] = {
    "Conv2d": ("in_features", "channels", "kernel"),
    "ConvTranspose2d": ("in_features", "channels", "kernel"),
    "Linear": ("in_features", "features"),
    "MaxPool2d": ("kernel",),
    "AvgPool2d": ("kernel",),
    "GroupNorm": ("groups", "channels"),
    "Dropout": ("rate",),
}
_LONG = 3
"""Operations in an expression for channels from which it gets a variable."""

_STORED = {"after": "padding", "before": "padding_before", "factor": "scale", "start": "start", "stop": "stop"}
"""What numbers that ``forward`` reads are called, by the argument that they are."""


class Classes(Protocol):
    """The classes of the file, written when they are first needed. ``plain`` forbids loops."""

    plain: bool

    def class_of(self, runs: Sequence[BodyRun]) -> ClassWriter:
        """The class of calls of a block. Raises ``Unfit`` if they have different ones."""
        ...

    def leaf(self, call: Applied, channels: Sequence[object]) -> tuple[str, bool]:
        """The class of an operator that owns its tensors; whether it takes the number of channels."""
        ...

    def group(self, steps: Steps, place: Place, body: tree.Body, channels: Expression | None, label: str) -> Group:
        """The class of a labelled group that is no chain."""
        ...


@dataclass(frozen=True, slots=True)
class Group:
    """A group as a module: the call of its class, the values that its ``forward`` takes beside the flow, and what it
    gives: taps and outputs by name with their channels, then the flow, if it is none of them.
    """

    text: str
    reads: tuple[str, ...]
    gives: tuple[tuple[tuple[tuple[str, str], ...], Expression | None], ...]
    """Each value that is given: what it is called, as ``("tap", NAME)`` or ``("output", NAME)``, and its channels."""
    flow: int | None
    """Which of these is the flow; ``None`` if it comes after them."""
    channels: Expression | None


@dataclass(slots=True)
class Steps:
    """Writes into one class."""

    cls: ClassWriter
    classes: Classes
    lines: list[Line]
    """Where lines of the constructor go."""

    @contextmanager
    def attempt(self, *refused: type[Exception]) -> Iterator[list[bool]]:
        """Forget what is written in the block if one of these exceptions ends it; gives a list that is empty then."""
        state, lines, kept = self.cls.state(), self.lines, list(self.lines)
        done: list[bool] = []
        try:
            yield done
            done.append(True)
        except refused:
            self.cls.restore(state)
            self.lines = lines
            lines[:] = kept

    def label(self, place: Place, label: tree.LabelTree, runs: Sequence[StatementRun]) -> str:
        """A label, which has to be the same in all columns."""
        texts = [self.label_of(column, label, run) for column, run in zip(place.columns, runs, strict=True)]
        if not same(texts):
            raise Unfit("labels differ")
        return texts[0]

    @staticmethod
    def label_of(column: Column, label: tree.LabelTree, run: StatementRun) -> str:
        return "".join(part if isinstance(part, str) else str(column.value(part, run.flow)) for part in label.parts)

    def const(
        self, place: Place, statement: tree.Const, channels: Expression | None, runs: Sequence[StatementRun]
    ) -> Place:
        """A constant of the text: a variable of the constructor if it is more than another name for something."""
        name = statement.name.name
        names = dict(place.names)
        try:
            expression = place.translated(statement.value, channels, runs)
        except Inexpressible:
            values = [column.run.context.variables[name].value for column in place.columns]
            literal = py.literal_of(values[0]) if same(values) else None
            names.pop(name, None)
            if literal is not None:
                names[name] = literal
            return Place(place.columns, names, place.inputs)
        is_list = isinstance(expression, py.Literal) and isinstance(expression.value, tuple)
        if isinstance(expression, py.Variable) or (isinstance(expression, py.Literal) and not is_list):
            names[name] = expression
        else:
            variable = self.cls.language_variable(name)
            self.cls.definitions[variable.name] = expression
            self.lines.append(Line(f"{variable.name} = {py.written(expression)}", defines=variable.name))
            names[name] = variable
        return Place(place.columns, names, place.inputs)

    def short(self, channels: Expression | None, place: Place) -> Expression | None:
        """Channels as what they are read from: a constant of the text, or a variable for a long expression."""
        known = self.cls.shortest(channels, place.names.values())
        if known is None or py.size(known) < _LONG or self.lines is not self.cls.init:
            return known
        if not all(name in self.cls.parameters or name in self.cls.definitions for name in py.names(known)):
            return known
        again = self.cls.shortest(known, map(py.Variable, self.cls.definitions))
        if again is not None and not py.size(again):
            return again
        variable = py.Variable(self.cls.variable("channels"))
        self.cls.definitions[variable.name] = known
        self.lines.append(Line(f"{variable.name} = {py.written(known)}", defines=variable.name))
        return variable

    def operator(
        self,
        place: Place,
        nodes: Sequence[Node],
        fields: Mapping[str, Expression],
        channels: Sequence[Expression | None],
    ) -> Applied:
        """The operators at nodes of the columns."""
        graphs = [column.network.graph for column in place.columns]
        types = [graph.input_types(node) for graph, node in zip(graphs, nodes, strict=True)]
        overwrites = all(
            node.index in column.network.overwritten for column, node in zip(place.columns, nodes, strict=True)
        )
        if len({type(node.operator) for node in nodes}) > 1:
            raise Unfit("different operators")
        named = {expression: name for name, expression in fields.items()}
        return applied(
            [node.operator for node in nodes],
            types,
            [node.type for node in nodes],
            fields,
            channels,
            lambda expression: self.cls.stored(expression, _STORED.get(named.get(expression, ""), "value"), self.lines),
            overwrites=overwrites,
        )

    def fields(
        self, place: Place, call: tree.Call, channels: Expression | None, runs: Sequence[StatementRun], node: Node
    ) -> dict[str, Expression]:
        """The arguments of an operator that are expressions, by name."""
        taken = tuple(signature(type(node.operator)))
        found: dict[str, Expression] = {}
        for position, argument in enumerate(call.arguments):
            name = argument.name.name if argument.name else taken[position]
            with suppress(Inexpressible):
                found[name] = place.translated(argument.value, channels, runs)
        return found

    def module(self, place: Place, call: Applied, channels: Expression | None) -> str:
        """The call of the class of ``torch.nn`` of an operator."""
        parts: list[str] = []
        names = _POSITIONAL.get(call.type, ())
        first: Expression | None = None
        for position, argument in enumerate(call.arguments):
            name = argument.name or (names[position] if position < len(names) else "number")
            default = default_of(call.type, call.arguments[0].values[:1], argument.name) if argument.name else NOTHING
            if call.type.startswith(("Conv", "Linear")) and not position:
                candidates = [argument.expression, channels]
            else:
                candidates = [argument.expression]
            if argument.name == "stride" and "Pool" in call.type:
                default = NOTHING
            expression = self._argument(place, argument, candidates, name, default)
            if position == 0:
                first = expression
            if not argument.name:
                parts.append(py.written(expression))
                continue
            if argument.name == "stride" and not isinstance(expression, py.Literal):
                self.cls.strides.append(expression)
            left_out = first if argument.name == "stride" and "Pool" in call.type else py.Literal(default)
            if expression != left_out:
                parts.append(f"{argument.name}={py.written(expression)}")
        return f"nn.{call.type}({', '.join(parts)})"

    def _argument(
        self,
        place: Place,
        argument: Argument,
        candidates: Sequence[Expression | None],
        name: str,
        default: object,
    ) -> Expression:
        values = [py.literal_of(value) for value in argument.values]
        if None in values:
            raise Unfit(f"`{name}` is no literal")
        numbers = [value.value for value in values if value is not None]
        return self.cls.expression_for(numbers, place, candidates, name, default)

    def leaf(self, place: Place, call: Applied, nodes: Sequence[Node], channels: Expression | None) -> str:
        """The call of the class of an operator that owns its tensors."""
        width = [
            column.network.graph.input_types(node)[0].channels
            for column, node in zip(place.columns, nodes, strict=True)
        ]
        name, takes_channels = self.classes.leaf(call, width)
        if not takes_channels:
            return f"{name}()"
        return f"{name}({py.written(self.known(place, channels, width, 'channels'))})"

    def known(self, place: Place, expression: Expression | None, values: Sequence[object], name: str) -> Expression:
        """An expression for values: the given one if it has them."""
        return self.cls.expression_for(values, place, [expression], name, NOTHING)

    def result(
        self,
        place: Place,
        nodes: Sequence[Node],
        fields: Mapping[str, Expression],
        channels: Sequence[Expression | None],
    ) -> Expression | None:
        """The channels of what operators give."""
        types = [node.type for node in nodes]
        if any(type_.rank < 2 or not isinstance(type_.shape[1], int) for type_ in types):
            return None
        values = [type_.shape[1] for type_ in types]
        columns = place.columns
        for candidate in self._candidates(place, nodes, fields, channels):
            if self.cls.holds(candidate, columns, values):
                return candidate
        return py.Literal(values[0]) if same(values) else None

    def _candidates(
        self,
        place: Place,
        nodes: Sequence[Node],
        fields: Mapping[str, Expression],
        channels: Sequence[Expression | None],
    ) -> Sequence[Expression | None]:
        name = nodes[0].operator.name
        operator = nodes[0].operator
        if name in ("conv", "conv_transpose", "linear"):
            field = "features" if name == "linear" else "channels"
            return [fields.get(field, py.literal_of(getattr(operator, field)))]
        if any(channel is None for channel in channels):
            return []
        known = [channel for channel in channels if channel is not None]
        if isinstance(operator, Concat):
            total = known[0]
            for channel in known[1:]:
                total = py.binary("+", total, channel)
            return [total]
        first = known[0]
        if name == "flatten":
            shape = place.columns[0].network.graph.input_types(nodes[0])[0].shape
            for pixels in shape[2:]:
                if isinstance(pixels, int):
                    first = py.Binary("*", first, py.Literal(pixels)) if pixels != 1 else first
            return [first]

        def field_of(name: str) -> Expression:
            literal = py.literal_of(getattr(operator, name))
            assert literal is not None
            return fields.get(name, literal)

        if name == "slice":
            return [py.binary("-", field_of("stop"), field_of("start"))]
        if name == "branch_sum":
            return [py.binary("//", first, field_of("branches"))]
        if name == "pad":
            return [py.binary("+", py.binary("+", first, field_of("before")), field_of("after"))]
        return list(known)

    def constructed(
        self,
        place: Place,
        runs: Sequence[BodyRun],
        steps: Sequence[StatementRun],
        call: tree.Call,
        channels: Expression | None,
    ) -> Constructed:
        """The call of the class of a block, one body for each column."""
        cls = self.classes.class_of(runs)
        definition = runs[0].context.frame.definition
        given: dict[str, tree.Expression] = {}
        for position, argument in enumerate(call.arguments):
            given[argument.name.name if argument.name else definition.parameters[position]] = argument.value
        parts: list[str] = []
        passed: dict[str, Expression] = {}

        def passed_for(parameter: Parameter) -> Expression:
            if parameter.name not in passed:
                values = [parameter.values[cls.root_of[id(run)]] for run in runs]
                passed[parameter.name] = self._passed(place, parameter, values, given, channels, steps)
            return passed[parameter.name]

        for parameter in cls.signature:
            expression = passed_for(parameter)
            if expression == py.Literal(parameter.default):
                continue
            text = py.written(expression)
            parts.append(f"{parameter.name}={text}" if parameter.default is not NOTHING else text)
        text = f"{cls.name}({', '.join(parts)})"
        values = [column.network.type_of(run.result).shape[1] for column, run in zip(place.columns, runs, strict=True)]
        return Constructed(text, self._behind(place, cls, values, passed_for))

    def _passed(
        self,
        place: Place,
        parameter: Parameter,
        values: Sequence[object],
        given: Mapping[str, tree.Expression],
        channels: Expression | None,
        steps: Sequence[StatementRun],
    ) -> Expression:
        candidates: list[Expression | None] = []
        if parameter.name == "in_channels":
            candidates.append(channels)
        elif parameter.language in given:
            with suppress(Inexpressible):
                candidates.append(place.translated(given[parameter.language], channels, steps))
        elif parameter.default is not NOTHING and all(value == parameter.default for value in values):
            return py.Literal(parameter.default)
        return self.cls.expression_for(values, place, candidates, parameter.name, parameter.default)

    def _behind(
        self,
        place: Place,
        cls: ClassWriter,
        values: Sequence[object],
        passed_for: Callable[[Parameter], Expression],
    ) -> Expression | None:
        """The channels behind a call: what the class gives, with what it is called with."""
        result = None if cls.result is None else cls.expanded(cls.result)
        if result is not None and all(name in cls.parameters for name in py.names(result)):
            names = dict.fromkeys(py.names(result))
            found = py.substituted(result, {name: passed_for(cls.parameters[name]) for name in names})
            if self.cls.holds(found, place.columns, values):
                return found
        return py.literal_of(values[0]) if same(values) else None
