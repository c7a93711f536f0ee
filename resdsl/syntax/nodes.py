"""One method per rule of the grammar: the node that its parts make."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

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
    """The shortcut of a residual, before it becomes part of the residual."""

    kind: tree.Expression | None
    body: tree.Body | None
    span: Span


def _only_part(_self: Nodes, _span: Span, value: Any) -> Any:
    return value


def _all_parts(_self: Nodes, _span: Span, *values: Any) -> tuple[Any, ...]:
    return values


def _node(kind: Callable[..., tree.Tree]) -> Callable[..., tree.Tree]:
    """The rule's parts are the fields of the node, in order."""

    def make(_self: Nodes, span: Span, *values: Any) -> tree.Tree:
        return kind(*values, span=span)

    return make


def _list_node(kind: Callable[..., tree.Tree]) -> Callable[..., tree.Tree]:
    """The rule's parts are the node's one field, which is a tuple."""

    def make(_self: Nodes, span: Span, *values: Any) -> tree.Tree:
        return kind(values, span=span)

    return make


@dataclass(frozen=True)
class Nodes:
    """Makes the nodes of one text."""

    source: Source
    log: ErrorLog
    parse_hole: ParseHole

    def span(self, start: int, end: int) -> Span:
        return Span(self.source, start, end)

    initial = shape_annotation = otherwise = hole = variables = _only_part
    module = names = parameters = arguments = _all_parts
    body = _list_node(tree.Body)
    shape = _list_node(tree.Shape)
    list_literal = _list_node(tree.ListLiteral)
    parameter = _node(tree.Parameter)
    graph_input = _node(tree.Input)
    tap = _node(tree.Tap)
    output = _node(tree.Output)
    aux = _node(tree.Aux)
    const = _node(tree.Const)
    default = _node(tree.Default)
    labelled_step = _node(tree.Step)
    group = _node(tree.Group)
    repeat = _node(tree.Repeat)
    resume = _node(tree.From)
    loop_over = _node(tree.For)
    row = _node(tree.Row)
    labels = _node(tree.Labels)
    choice = _node(tree.If)
    named_argument = _node(tree.Argument)
    conditional = _node(tree.Conditional)
    index = _node(tree.Index)
    function_call = _node(tree.FunctionCall)
    bad_value = _node(tree.Broken)

    # The file.

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

    def named_annotation(self, _span: Span, name: tree.Identifier) -> tree.TypeAnnotation:
        return tree.TypeAnnotation(name.name, span=name.span)

    def enumeration(self, span: Span, members: tuple[tree.Identifier, ...]) -> tree.TypeAnnotation:
        first_brace = span.text.index("{")
        return tree.TypeAnnotation("", members, span=self.span(span.start + first_brace, span.end))

    # Statements.

    def broken(self, span: Span, *_bodies: tree.Body) -> tree.Broken:
        return tree.Broken(span=span)

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

    def expect(self, span: Span, subject: tree.Identifier, relation: Token, value: tree.Expression) -> tree.Expect:
        return tree.Expect(subject, str(relation), value, span=span)

    # Steps of the flow.

    def step(self, span: Span, flow: tree.Flow, shape: tree.Shape | None) -> tree.Step:
        return tree.Step(None, flow, shape, span=span)

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

    def loop(
        self,
        span: Span,
        variable: tree.Identifier | tree.Row,
        first: tree.Expression,
        last: tree.Expression,
        body: tree.Body,
    ) -> tree.For:
        return tree.For(variable, tree.Range(first, last, span=first.span.to(last.span)), body, span=span)

    def else_if(self, _span: Span, choice: tree.If) -> tree.Body:
        return tree.Body((tree.Step(None, choice, None, span=choice.span),), span=choice.span)

    # Expressions.

    def argument(self, span: Span, value: tree.Expression) -> tree.Argument:
        return tree.Argument(None, value, span=span)

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

    def _string(self, text: Token) -> tree.String:
        return tree.String(_ESCAPE.sub(r"\1", text[1:-1]), span=self._token_span(text))

    def _token_span(self, token: Token) -> Span:
        return self.span(token.start, token.end)
