"""Statements that leave the current value unchanged: taps, outputs, defaults, and metadata of the model."""

from __future__ import annotations

from collections.abc import Callable

from resdsl.diagnostics import Label, catalogue
from resdsl.diagnostics.suggest import renamed
from resdsl.elaborate import expectations, labels, preprocessing
from resdsl.elaborate.arguments import Given, coerce_argument, match
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow, TapPoint
from resdsl.elaborate.values import UNKNOWN
from resdsl.ir.graph import Output
from resdsl.ops import aliases, operators
from resdsl.ops.signature import signature
from resdsl.syntax import tree


def _tap(builder: GraphBuilder, tap: tree.Tap, flow: Flow, context: Context) -> None:
    first = context.frame.taps.get(tap.name.name)
    if first is not None:
        builder.report(
            catalogue.DUPLICATE_TAP,
            f"the tap `{tap.name.name}` is set twice",
            Label(
                tap.name.span, "again here" if first.span != tap.name.span else "in each pass of a loop or repetition"
            ),
            context,
            secondary=(Label(first.span, "first here"),) if first.span != tap.name.span else (),
            helps=("a tap names one value: give each its own name, or set it after the loop",),
        )
        return
    context.frame.taps[tap.name.name] = TapPoint(flow, tap.name.span)


def _only_in_model(
    declare: Callable[[GraphBuilder, tree.Statement, Flow, Context], None], what: str
) -> Callable[[GraphBuilder, tree.Statement, Flow, Context], None]:
    def checked(builder: GraphBuilder, line: tree.Statement, flow: Flow, context: Context) -> None:
        if context.frame.definition.tree.kind != "model":
            message = f"`{what}` belongs to a model, and this is a block"
            builder.report(catalogue.MISPLACED, message, line.span, context)
        elif context.frame.root:
            # They are ignored in a model that is called like a block.
            declare(builder, line, flow, context)

    return checked


def _output(builder: GraphBuilder, line: tree.Statement, flow: Flow, context: Context) -> None:
    assert isinstance(line, tree.Output)
    if context.frame.aux:
        head = context.frame.aux
        message = f"`output` cannot stand in an `aux`: the value at its end is the output `{head}`"
        builder.report(catalogue.MISPLACED, message, line.span, context, helps=("leave the line out",))
        return
    add_output(builder, Output(line.name.name, -1 if flow is None else flow, line.name.span), context)


def add_output(builder: GraphBuilder, output: Output, context: Context) -> None:
    """Declare an output of the model. Two of one name are an error."""
    first = builder.outputs.get(output.name)
    if first is not None:
        builder.report(
            catalogue.DUPLICATE_OUTPUT,
            f"there are two outputs `{output.name}`",
            Label(output.span, "again here"),
            context,
            secondary=(Label(first.span, "first here"),),
        )
        return
    builder.outputs[output.name] = output


def _default(builder: GraphBuilder, line: tree.Statement, flow: Flow, context: Context) -> None:
    assert isinstance(line, tree.Default)
    frame = context.frame
    if frame.definition.tree.kind != "model":
        message = "`default` belongs to a model, and this is a block"
        builder.report(catalogue.MISPLACED, message, line.span, context)
        return
    if frame.flowing:
        builder.report(
            catalogue.MISPLACED_DEFAULT,
            "`default` must come before the first layer",
            line.span,
            context,
            helps=("move it up, below `input`: it holds for everything that the model builds",),
        )
        return
    operator = operators().get(line.callee.name)
    if operator is None:
        name = line.callee.name
        guess = aliases().get(name.lower()) or builder.suggester.closest(name, list(operators()))
        helps = () if guess else ("`default` is for operators; the defaults of a block are in its definition",)
        message = f"`{name}` is not an operator"
        fix = renamed(line.callee.span, guess)
        builder.report(catalogue.UNKNOWN_CALLEE, message, line.callee.span, context, helps=helps, fix=fix)
        return
    arguments = signature(operator)
    slots = match(builder, line.arguments, tuple(arguments), operator.name, context)
    if slots is None:
        return
    values = {
        name: coerce_argument(
            builder, arguments[name], Given(given.span, given.expression), context, flow, operator.name
        )
        for name, given in slots.items()
    }
    known = {name: value for name, value in values.items() if value is not UNKNOWN}
    frame.defaults = {**frame.defaults, operator.name: {**frame.defaults.get(operator.name, {}), **known}}


def _once(
    declare: Callable[[GraphBuilder, tree.Statement, Flow, Context], None],
) -> Callable[[GraphBuilder, tree.Statement, Flow, Context], None]:
    """For lines that stand once in a model, and directly in it."""

    def checked(builder: GraphBuilder, line: tree.Statement, flow: Flow, context: Context) -> None:
        keyword = line.span.text.split()[0]
        first = builder.lines.setdefault(type(line), line.span)
        if context.naming.prefix:
            message = f"`{keyword}` belongs to the model itself, not to a part of it"
            helps = ("move it out of these braces, to the top of the model",)
            builder.report(catalogue.MISPLACED, message, line.span, context, helps=helps)
        elif first != line.span:
            message = f"a model has one `{keyword}`"
            secondary = (Label(first, "the first"),)
            builder.report(
                catalogue.MISPLACED, message, Label(line.span, "another one here"), context, secondary=secondary
            )
        else:
            declare(builder, line, flow, context)

    return checked


def _preprocess(builder: GraphBuilder, line: tree.Statement, _flow: Flow, context: Context) -> None:
    assert isinstance(line, tree.Preprocess)
    builder.preprocess = preprocessing.preprocess(builder, line, context)


def _labels(builder: GraphBuilder, line: tree.Statement, flow: Flow, context: Context) -> None:
    assert isinstance(line, tree.Labels)
    builder.labels = labels.labels(builder, line, flow, context)


def _input(builder: GraphBuilder, line: tree.Statement, _flow: Flow, context: Context) -> None:
    """The input is read before the body runs, and further ones are reported then."""
    if not any(line is statement for statement in context.frame.definition.tree.body.statements):
        message = "`input` belongs to the model itself, not to a part of it"
        builder.report(catalogue.MISPLACED, message, line.span, context, helps=("put it first in the model",))


DECLARATIONS: dict[type, Callable[[GraphBuilder, tree.Statement, Flow, Context], None]] = {
    tree.Tap: _tap,  # type: ignore[dict-item]
    tree.Output: _only_in_model(_output, "output"),
    tree.Default: _default,
    tree.Expect: _only_in_model(expectations.expect, "expect"),  # type: ignore[arg-type]
    tree.Input: _only_in_model(_input, "input"),
    tree.Preprocess: _only_in_model(_once(_preprocess), "preprocess"),
    tree.Labels: _only_in_model(_once(_labels), "labels"),
}
