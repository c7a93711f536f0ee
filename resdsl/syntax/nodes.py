"""One method per rule of the grammar: the node that its parts make."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from resdsl.diagnostics import Source, Span
from resdsl.syntax import tree
from resdsl.syntax.error_log import ErrorLog
from resdsl.syntax.errors import semantic
from resdsl.syntax.numbers import number_value, size_value
from resdsl.syntax.token import Token

ParseHole = Callable[[int, int], tree.Expression | tree.Broken]
"""Parses the text between two offsets as one expression."""

_HOLE = re.compile(r"\{([^{}]*)\}")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Shortcut:
    """What a residual's shortcut is, before it becomes part of the residual."""

    kind: tree.Expression | None
    body: tree.Body | None
    span: Span


@dataclass(frozen=True)
class Nodes:
    """Makes the nodes of one text."""

    source: Source
    log: ErrorLog
    parse_hole: ParseHole

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    # Parts that are what their only child is.

    def initial(self, _span: Span, value: tree.Expression) -> tree.Expression:
        return value

    def promise(self, _span: Span, shape: tree.Shape) -> tree.Shape:
        return shape

    def otherwise(self, _span: Span, body: tree.Body) -> tree.Body:
        return body

    def hole(self, _span: Span, value: tree.Expression) -> tree.Expression:
        return value

    def names(self, _span: Span, *names: tree.Identifier) -> tuple[tree.Identifier, ...]:
        return names

    def parameters(self, _span: Span, *parameters: tree.Parameter) -> tuple[tree.Parameter, ...]:
        return parameters

    def arguments(self, _span: Span, *arguments: tree.Argument) -> tuple[tree.Argument, ...]:
        return arguments

    # The file.

    def module(self, _span: Span, *items: tree.Item) -> tuple[tree.Item, ...]:
        return items

    def use(self, span: Span, path: Token, names: tuple[tree.Identifier, ...]) -> tree.Use:
        return tree.Use(self._string(path), names, span=span)

    def definition(
        self,
        span: Span,
        keyword: Token,
        name: tree.Identifier,
        parameters: tuple[tree.Parameter, ...] | None,
        body: tree.Body,
    ) -> tree.Definition:
        return tree.Definition(str(keyword), name, parameters or (), body, span=span)

    def parameter(
        self,
        span: Span,
        name: tree.Identifier,
        annotation: tree.TypeAnnotation | None,
        default: tree.Expression | None,
    ) -> tree.Parameter:
        return tree.Parameter(name, annotation, default, span=span)

    def named_annotation(self, _span: Span, name: tree.Identifier) -> tree.TypeAnnotation:
        return tree.TypeAnnotation(name.name, span=name.span)

    def enumeration(self, span: Span, members: tuple[tree.Identifier, ...]) -> tree.TypeAnnotation:
        first_brace = span.text.index("{")
        return tree.TypeAnnotation("", members, span=self.span(span.start + first_brace, span.end))

    # Statements.

    def body(self, span: Span, *statements: tree.Statement) -> tree.Body:
        return tree.Body(statements, span=span)

    def broken(self, span: Span, *_bodies: tree.Body) -> tree.Broken:
        return tree.Broken(span=span)

    def graph_input(self, span: Span, name: tree.Identifier, dtype: tree.Identifier, shape: tree.Shape) -> tree.Input:
        return tree.Input(name, dtype, shape, span=span)

    def tap(self, span: Span, name: tree.Identifier) -> tree.Tap:
        return tree.Tap(name, span=span)

    def output(self, span: Span, name: tree.Identifier) -> tree.Output:
        return tree.Output(name, span=span)

    def const(self, span: Span, name: tree.Identifier, value: tree.Expression) -> tree.Const:
        return tree.Const(name, value, span=span)

    def default(self, span: Span, callee: tree.Identifier, arguments: tuple[tree.Argument, ...]) -> tree.Default:
        return tree.Default(callee, arguments, span=span)

    def preprocess(self, span: Span, body: tree.Body) -> tree.Preprocess:
        calls: list[tree.Call] = []
        for statement in body.statements:
            if isinstance(statement, tree.Broken):
                continue
            match statement:
                case tree.Step(None, tree.Call() as call, None):
                    calls.append(call)
                case _:
                    self.log.report(semantic.not_a_preprocessing_step(statement.span))
        return tree.Preprocess(tuple(calls), span=span)

    def labels(self, span: Span, value: Token) -> tree.Labels:
        return tree.Labels(self._string(value), span=span)

    def expect(self, span: Span, subject: tree.Identifier, relation: Token, value: tree.Expression) -> tree.Expect:
        return tree.Expect(subject, str(relation), value, span=span)

    # Steps of the flow.

    def step(self, span: Span, flow: tree.Flow, shape: tree.Shape | None) -> tree.Step:
        return tree.Step(None, flow, shape, span=span)

    def labelled_step(self, span: Span, label: tree.LabelTree, flow: tree.Flow, shape: tree.Shape | None) -> tree.Step:
        return tree.Step(label, flow, shape, span=span)

    def label(self, span: Span, text: Token) -> tree.LabelTree | tree.Broken:
        parts: list[str | tree.Expression] = []
        end = 0
        for hole in _HOLE.finditer(text):
            if literal := text[end : hole.start()]:
                parts.append(literal)
            value = self.parse_hole(span.start + hole.start(1), span.start + hole.end(1))
            if isinstance(value, tree.Broken):
                return value
            parts.append(value)
            end = hole.end()
        if literal := text[end:]:
            parts.append(literal)
        return tree.LabelTree(tuple(parts), span=span)

    stage_name = label

    def call(self, span: Span, callee: tree.Identifier, arguments: tuple[tree.Argument, ...] | None) -> tree.Call:
        return tree.Call(callee, arguments or (), span=span)

    def group(self, span: Span, body: tree.Body) -> tree.Group:
        return tree.Group(body, span=span)

    def repeat(self, span: Span, count: tree.Expression, call: tree.Call) -> tree.Repeat:
        return tree.Repeat(count, call, span=span)

    def stage(
        self, span: Span, label: tree.LabelTree, arguments: tuple[tree.Argument, ...] | None, body: tree.Body
    ) -> tree.Stage:
        return tree.Stage(label, arguments or (), body, span=span)

    def residual(
        self,
        span: Span,
        keyword: Token,
        arguments: tuple[tree.Argument, ...] | None,
        main: tree.Body,
        shortcut: Shortcut | None,
    ) -> tree.Residual:
        return tree.Residual(
            arguments or (),
            main,
            kind=shortcut.kind if shortcut else None,
            shortcut=shortcut.body if shortcut else None,
            keyword_span=self._token_span(keyword),
            shortcut_span=shortcut.span if shortcut else None,
            span=span,
        )

    def shortcut_of_kind(self, span: Span, kind: tree.Expression, body: tree.Body | None) -> Shortcut:
        return Shortcut(kind, body, span.to(kind.span))

    def shortcut_body(self, span: Span, body: tree.Body) -> Shortcut:
        return Shortcut(None, body, self.span(span.start, span.start + len("shortcut")))

    def join(self, span: Span, keyword: Token, body: tree.Body) -> tree.Join:
        return tree.Join(str(keyword), body, keyword_span=self._token_span(keyword), span=span)

    def resume(self, span: Span, tap: tree.Identifier, body: tree.Body) -> tree.From:
        return tree.From(tap, body, span=span)

    def loop(
        self, span: Span, variable: tree.Identifier, first: tree.Expression, last: tree.Expression, body: tree.Body
    ) -> tree.For:
        return tree.For(variable, first, last, body, span=span)

    def choice(self, span: Span, condition: tree.Expression, then: tree.Body, otherwise: tree.Body | None) -> tree.If:
        return tree.If(condition, then, otherwise, span=span)

    def else_if(self, _span: Span, choice: tree.If) -> tree.Body:
        return tree.Body((tree.Step(None, choice, None, span=choice.span),), span=choice.span)

    # Expressions.

    def argument(self, span: Span, value: tree.Expression) -> tree.Argument:
        return tree.Argument(None, value, span=span)

    def named_argument(self, span: Span, name: tree.Identifier, value: tree.Expression) -> tree.Argument:
        return tree.Argument(name, value, span=span)

    def conditional(
        self, span: Span, value: tree.Expression, condition: tree.Expression, otherwise: tree.Expression
    ) -> tree.Conditional:
        return tree.Conditional(value, condition, otherwise, span=span)

    def binary(self, span: Span, left: tree.Expression, operator: Token, right: tree.Expression) -> tree.Binary:
        return tree.Binary(str(operator), left, right, span=span)

    def comparison(
        self, span: Span, left: tree.Expression, operator: Token, right: tree.Expression
    ) -> tree.Binary | tree.Broken:
        # A comparison in parentheses is a value like any other; its span begins at the parenthesis.
        if (
            isinstance(left, tree.Binary)
            and left.operator in semantic.COMPARISONS
            and left.span.start == left.left.span.start
        ):
            self.log.report(semantic.chained_comparison(left, self._token_span(operator), right))
            return tree.Broken(span=span)
        return tree.Binary(str(operator), left, right, span=span)

    def unary(self, span: Span, operator: Token, operand: tree.Expression) -> tree.Unary:
        return tree.Unary(str(operator), operand, span=span)

    def index(self, span: Span, operand: tree.Expression, position: tree.Expression) -> tree.Index:
        return tree.Index(operand, position, span=span)

    def function_call(
        self, span: Span, function: tree.Identifier, arguments: tuple[tree.Argument, ...]
    ) -> tree.FunctionCall:
        return tree.FunctionCall(function, arguments, span=span)

    def list_literal(self, span: Span, *items: tree.Expression) -> tree.ListLiteral:
        return tree.ListLiteral(items, span=span)

    def shape(self, span: Span, *dims: tree.Expression) -> tree.Shape:
        return tree.Shape(dims, span=span)

    def parenthesised(self, span: Span, inner: tree.Expression) -> tree.Expression:
        return replace(inner, span=span)

    def number(self, span: Span, text: Token) -> tree.Number | tree.Broken:
        value = number_value(text)
        if value is None:
            self.log.report(semantic.number_too_large(span))
            return tree.Broken(span=span)
        return tree.Number(value, str(text), span=span)

    def size(self, span: Span, text: Token) -> tree.SizeLiteral | tree.Broken:
        value = size_value(text)
        if value is None:
            self.log.report(semantic.number_too_large(span))
            return tree.Broken(span=span)
        return tree.SizeLiteral(*value, span=span)

    def string(self, _span: Span, text: Token) -> tree.String:
        return self._string(text)

    def boolean(self, span: Span, text: Token) -> tree.Boolean:
        return tree.Boolean(text == "true", span=span)

    def name(self, span: Span, name: tree.Identifier) -> tree.Name | tree.Wildcard:
        return tree.Wildcard(span=span) if name.name == "_" else tree.Name(name.name, span=span)

    def bad_value(self, span: Span) -> tree.Broken:
        return tree.Broken(span=span)

    def _string(self, text: Token) -> tree.String:
        return tree.String(_ESCAPE.sub(r"\1", text[1:-1]), span=self._token_span(text))

    def _token_span(self, token: Token) -> Span:
        return self.span(token.start, token.end)
