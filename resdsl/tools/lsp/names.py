"""What each name in a text refers to: the index from which hover, go to definition, references and rename are made.

The index follows the rules of scope of the language (``docs/language.md``) on the syntax tree alone, so it is there
while a text does not check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from resdsl.diagnostics import Span
from resdsl.elaborate.program import Defined, Unit
from resdsl.ir.operator import Operator
from resdsl.ops import operators
from resdsl.ops.signature import signature
from resdsl.syntax import tree


class Kind(StrEnum):
    """What a name names."""

    MODEL = "model"
    BLOCK = "block"
    PARAMETER = "parameter"
    CONST = "const"
    VARIABLE = "variable"
    TAP = "tap"
    LABEL = "label"
    INPUT = "input"
    OUTPUT = "output"
    SIZE = "size"
    WORD = "word"
    OPERATOR = "operator"
    ARGUMENT = "argument"


@dataclass(frozen=True, slots=True)
class Symbol:
    """Something with a name. ``span`` is where it is defined, ``None`` for what the language itself has.

    ``scope`` is where the name holds, and ``owner`` the block, model or operator that it belongs to.
    """

    kind: Kind
    name: str
    span: Span | None
    scope: Span | None = field(default=None, compare=False)
    owner: str = ""
    tree: tree.Tree | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A place where a symbol is named. ``defines``: whether it is the definition."""

    span: Span
    symbol: Symbol
    defines: bool = False


@dataclass(slots=True)
class Names:
    """The occurrences of a text in order."""

    occurrences: list[Occurrence] = field(default_factory=list)

    def at(self, offset: int) -> Occurrence | None:
        """The name at a place, or that ends there."""
        found = None
        for one in self.occurrences:
            if one.span.start <= offset <= one.span.end and (
                found is None or one.span.end - one.span.start <= found.span.end - found.span.start
            ):
                found = one
        return found

    def of(self, symbol: Symbol) -> list[Occurrence]:
        """Where a symbol is named."""
        return [one for one in self.occurrences if one.symbol == symbol]

    def visible(self, offset: int) -> list[Symbol]:
        """The parameters, consts, loop variables and taps whose scope a place is in, the innermost last."""
        return [
            one.symbol
            for one in self.occurrences
            if one.defines and one.symbol.scope is not None and one.symbol.scope.start <= offset <= one.symbol.scope.end
        ]


def names_of(unit: Unit) -> Names:
    """The names in a file."""
    index = _Index(unit)
    index.module()
    index.names.occurrences.sort(key=lambda one: (one.span.start, one.span.end))
    return index.names


def definition_symbol(defined: Defined) -> Symbol:
    """The symbol of a block or model."""
    kind = Kind.MODEL if defined.tree.kind == "model" else Kind.BLOCK
    source = defined.unit.module.source
    return Symbol(kind, defined.name, defined.tree.name.span, source.span(0, len(source.text)), tree=defined.tree)


def parameter_symbol(definition: tree.Definition, parameter: tree.Parameter, scope: Span | None = None) -> Symbol:
    return Symbol(Kind.PARAMETER, parameter.name.name, parameter.name.span, scope, definition.name.name, parameter)


Scope = Mapping[str, Symbol]


class _Index:
    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.source = unit.module.source
        self.names = Names()
        self.whole = self.source.span(0, len(self.source.text))

    def add(self, span: Span, symbol: Symbol, *, defines: bool = False) -> None:
        if span.source is self.source and span.start < span.end:
            self.names.occurrences.append(Occurrence(span, symbol, defines))

    def region(self, item: tree.Definition) -> Span:
        """A definition up to the next: while it is being written, its end is not there yet."""
        after = [other.span.start for other in self.unit.module.items if other.span.start >= item.span.end]
        return item.span._replace(end=min(after, default=self.whole.end))

    def module(self) -> None:
        consts: dict[str, Symbol] = {}
        for item in self.unit.module.items:
            match item:
                case tree.Const():
                    self.expression(item.value, consts)
                    consts[item.name.name] = symbol = Symbol(
                        Kind.CONST, item.name.name, item.name.span, self.whole, tree=item
                    )
                    self.add(item.name.span, symbol, defines=True)
                case tree.Use():
                    for name in item.names:
                        defined = self.unit.definitions.get(name.name)
                        if defined is not None:
                            self.add(name.span, definition_symbol(defined))
                case tree.Definition():
                    self.definition(item, consts)
                case _:
                    pass

    def definition(self, item: tree.Definition, consts: Scope) -> None:
        own = self.unit.definitions.get(item.name.name)
        if own is not None and own.tree is item:
            self.add(item.name.span, definition_symbol(own), defines=True)
        scope = dict(consts)
        for parameter in item.parameters:
            if parameter.annotation is not None:
                for member in parameter.annotation.members:
                    self.add(member.span, self.word(item, parameter, member), defines=True)
            if parameter.default is not None:
                self.expression(parameter.default, scope, self.words(item, parameter))
            symbol = parameter_symbol(item, parameter, self.region(item))
            self.add(parameter.name.span, symbol, defines=True)
            scope[parameter.name.name] = symbol
        self.body(item.body, scope, {}, item)

    def word(self, item: tree.Definition, parameter: tree.Parameter, member: tree.Identifier) -> Symbol:
        return Symbol(Kind.WORD, member.name, member.span, None, f"{item.name.name}.{parameter.name.name}", member)

    def words(self, item: tree.Definition, parameter: tree.Parameter) -> Scope:
        """The words of the enumeration that a parameter is one of."""
        members = parameter.annotation.members if parameter.annotation else ()
        return {member.name: self.word(item, parameter, member) for member in members}

    def body(self, body: tree.Body, scope: Scope, taps: dict[str, Symbol], item: tree.Definition) -> None:
        inner = dict(scope)
        for statement in body.statements:
            self.statement(statement, inner, taps, item, body)

    def statement(
        self,
        statement: tree.Statement,
        scope: dict[str, Symbol],
        taps: dict[str, Symbol],
        item: tree.Definition,
        body: tree.Body,
    ) -> None:
        match statement:
            case tree.Step():
                self.label(statement.label, scope, item)
                self.flow(statement.flow, scope, taps, item)
                if statement.shape is not None:
                    self.shape(statement.shape, scope)
            case tree.Const():
                self.expression(statement.value, scope)
                # A body that is still to be closed ends with its definition.
                whole = body is item.body or body.span.end >= item.span.end
                rest = (self.region(item) if whole else body.span)._replace(start=statement.name.span.start)
                symbol = Symbol(Kind.CONST, statement.name.name, statement.name.span, rest, item.name.name, statement)
                self.add(statement.name.span, symbol, defines=True)
                scope[statement.name.name] = symbol
            case tree.Tap():
                rest = self.region(item)._replace(start=statement.name.span.start)
                symbol = Symbol(Kind.TAP, statement.name.name, statement.name.span, rest, item.name.name, statement)
                self.add(statement.name.span, symbol, defines=True)
                taps[statement.name.name] = symbol
            case tree.Input():
                name = statement.name
                self.add(name.span, Symbol(Kind.INPUT, name.name, name.span, None, item.name.name), defines=True)
                for dim in statement.shape.dims:
                    if isinstance(dim, tree.Name) and dim.name not in scope and dim.name[:1].isupper():
                        symbol = Symbol(Kind.SIZE, dim.name, dim.span, self.region(item), item.name.name, dim)
                        self.add(dim.span, symbol, defines=True)
                        scope[dim.name] = symbol
                    else:
                        self.expression(dim, scope)
            case tree.Output():
                name = statement.name
                self.add(name.span, Symbol(Kind.OUTPUT, name.name, name.span, None, item.name.name), defines=True)
            case tree.Default():
                self.call(statement.callee, statement.arguments, scope)
            case tree.Aux():
                self.label(statement.label, scope, item)
                self.body(statement.body, scope, dict(taps), item)
            case tree.Labels():
                self.expression(statement.value, scope)
            case tree.Expect():
                self.expression(statement.value, scope)
            case _:
                pass

    def flow(self, flow: tree.Flow, scope: Scope, taps: dict[str, Symbol], item: tree.Definition) -> None:
        match flow:
            case tree.Call():
                self.call(flow.callee, flow.arguments, scope)
            case tree.Group():
                self.body(flow.body, scope, taps, item)
            case tree.Repeat():
                self.expression(flow.count, scope)
                self.flow(flow.repeated, scope, taps, item)
            case tree.Stage():
                self.label(flow.label, scope, item)
                first = next(self.blocks_in(flow.body, scope), None)
                self.arguments(flow.arguments, scope, first)
                self.body(flow.body, scope, taps, item)
            case tree.Residual():
                self.arguments(flow.arguments, scope, None)
                self.body(flow.main, scope, taps, item)
                if flow.kind is not None:
                    self.expression(flow.kind, scope)
                if flow.shortcut is not None:
                    self.body(flow.shortcut, scope, taps, item)
            case tree.Join():
                self.body(flow.body, scope, taps, item)
            case tree.From():
                if flow.tap.name in taps:
                    self.add(flow.tap.span, taps[flow.tap.name])
                self.body(flow.body, scope, taps, item)
            case tree.For():
                self.loop(flow, scope, taps, item)
            case tree.If():
                self.expression(flow.condition, scope)
                self.body(flow.then, scope, taps, item)
                if flow.otherwise is not None:
                    self.body(flow.otherwise, scope, taps, item)

    def loop(self, loop: tree.For, scope: Scope, taps: dict[str, Symbol], item: tree.Definition) -> None:
        if isinstance(loop.values, tree.Range):
            self.expression(loop.values.first, scope)
            self.expression(loop.values.last, scope)
        else:
            self.expression(loop.values, scope)
        inner = dict(scope)
        variables = loop.variable.names if isinstance(loop.variable, tree.Row) else (loop.variable,)
        for variable in variables:
            symbol = Symbol(Kind.VARIABLE, variable.name, variable.span, loop.body.span, item.name.name, loop)
            self.add(variable.span, symbol, defines=True)
            inner[variable.name] = symbol
        self.body(loop.body, inner, taps, item)

    def blocks_in(self, body: tree.Body, scope: Scope) -> Iterator[tree.Identifier]:
        """The callees of a body that are blocks, in order: the first takes the arguments of a stage."""
        return (name for name in _callees(body) if name.name not in scope and name.name in self.unit.definitions)

    def call(self, callee: tree.Identifier, arguments: tuple[tree.Argument, ...], scope: Scope) -> None:
        if callee.name in scope:
            self.add(callee.span, scope[callee.name])
            self.arguments(arguments, scope, None)
            return
        defined = self.unit.definitions.get(callee.name)
        operator = operators().get(callee.name)
        if defined is not None:
            self.add(callee.span, definition_symbol(defined))
        elif operator is not None:
            self.add(callee.span, Symbol(Kind.OPERATOR, callee.name, None))
        self.arguments(arguments, scope, callee)

    def arguments(self, arguments: tuple[tree.Argument, ...], scope: Scope, callee: tree.Identifier | None) -> None:
        name = callee.name if callee is not None else ""
        defined = self.unit.definitions.get(name)
        operator = operators().get(name) if defined is None else None
        for position, argument in enumerate(arguments):
            words: Scope = {}
            parameter = _parameter(defined, argument, position) if defined is not None else None
            if defined is not None and parameter is not None:
                words = self.words(defined.tree, parameter)
                if argument.name is not None:
                    self.add(argument.name.span, parameter_symbol(defined.tree, parameter))
            elif operator is not None and argument.name is not None and argument.name.name in signature(operator):
                self.add(argument.name.span, Symbol(Kind.ARGUMENT, argument.name.name, None, owner=operator.name))
            self.expression(argument.value, scope, {**words, **_operator_words(operator, argument, position)})

    def label(self, label: tree.LabelTree | None, scope: Scope, item: tree.Definition) -> None:
        if label is None:
            return
        for part in label.parts:
            if not isinstance(part, str):
                self.expression(part, scope)
        written = label.span.text
        self.add(label.span, Symbol(Kind.LABEL, written, label.span, None, item.name.name, label), defines=True)

    def shape(self, shape: tree.Shape, scope: Scope) -> None:
        for dim in shape.dims:
            self.expression(dim, scope)

    def expression(self, expression: tree.Expression, scope: Scope, words: Scope | None = None) -> None:
        stack: list[tree.Expression] = [expression]
        while stack:
            one = stack.pop()
            match one:
                case tree.Name():
                    self.name(one, scope, words or {})
                case tree.Unary():
                    stack.append(one.operand)
                case tree.Binary():
                    stack += [one.left, one.right]
                case tree.Conditional():
                    stack += [one.value, one.condition, one.otherwise]
                case tree.Index():
                    stack += [one.operand, one.index]
                case tree.ListLiteral():
                    stack += one.items
                case tree.FunctionCall():
                    stack += [argument.value for argument in one.arguments]
                case _:
                    pass
            if isinstance(one, tree.Binary) and one.operator in {"==", "!="}:
                self.compared(one, scope)

    def compared(self, one: tree.Binary, scope: Scope) -> None:
        """``stride_in == conv1``: a word of the enumeration that the other side is one of."""
        for side, other in ((one.left, one.right), (one.right, one.left)):
            parameter = scope.get(other.name) if isinstance(other, tree.Name) else None
            if not isinstance(side, tree.Name) or side.name in scope or parameter is None:
                continue
            if isinstance(parameter.tree, tree.Parameter) and parameter.tree.annotation is not None:
                for member in parameter.tree.annotation.members:
                    if member.name == side.name:
                        owner = f"{parameter.owner}.{parameter.name}"
                        self.add(side.span, Symbol(Kind.WORD, member.name, member.span, None, owner, member))

    def name(self, one: tree.Name, scope: Scope, words: Scope) -> None:
        if one.name in scope:
            self.add(one.span, scope[one.name])
        elif one.name in words:
            self.add(one.span, words[one.name])
        elif one.name in self.unit.definitions:
            self.add(one.span, definition_symbol(self.unit.definitions[one.name]))
        elif one.name in operators():
            self.add(one.span, Symbol(Kind.OPERATOR, one.name, None))
        elif one.name in {"channels", "channels_in"}:
            self.add(one.span, Symbol(Kind.SIZE, one.name, None))


def _parameter(defined: Defined, argument: tree.Argument, position: int) -> tree.Parameter | None:
    """The parameter that an argument of a block is for."""
    parameters = defined.tree.parameters
    if argument.name is not None:
        return next((one for one in parameters if one.name.name == argument.name.name), None)
    return parameters[position] if position < len(parameters) else None


def _operator_words(operator: type[Operator] | None, argument: tree.Argument, position: int) -> Scope:
    """The words that an argument of an operator takes."""
    if operator is None:
        return {}
    known = list(signature(operator).values())
    named = argument.name.name if argument.name is not None else None
    one = next((arg for arg in known if arg.name == named), None) if named else None
    if named is None and position < len(known):
        one = known[position]
    if one is None:
        return {}
    return {word: Symbol(Kind.WORD, word, None, owner=f"{operator.name}.{one.name}") for word in one.words}


def _callees(body: tree.Body) -> Iterator[tree.Identifier]:
    """What a body calls, in the order of the text."""
    for statement in body.statements:
        if isinstance(statement, tree.Step):
            yield from _callees_of(statement.flow)


def _callees_of(flow: tree.Flow) -> Iterator[tree.Identifier]:
    match flow:
        case tree.Call():
            yield flow.callee
        case tree.Repeat():
            yield from _callees_of(flow.repeated)
        case tree.Residual():
            yield from _callees(flow.main)
            if flow.shortcut is not None:
                yield from _callees(flow.shortcut)
        case tree.If():
            yield from _callees(flow.then)
            if flow.otherwise is not None:
                yield from _callees(flow.otherwise)
        case tree.Group() | tree.Stage() | tree.Join() | tree.From() | tree.For():
            yield from _callees(flow.body)
