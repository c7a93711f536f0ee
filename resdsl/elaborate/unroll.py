"""Compile-time loops and conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from resdsl.diagnostics import Edit, Fix, Label, Span, catalogue
from resdsl.diagnostics.suggest import renamed
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow, Variable
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.limits import COPIES_OF_WORK
from resdsl.elaborate.values import UNKNOWN, kind_of
from resdsl.ir.types import Size
from resdsl.ir.values import format_value
from resdsl.syntax import tree


def unroll(
    builder: GraphBuilder, step: tree.For | tree.If, flow: Flow, context: Context
) -> Iterator[tuple[tree.Body, Context]]:
    """The bodies that a loop or a condition stands for, each with the place where it is carried out."""
    if isinstance(step, tree.If):
        body = _chosen(builder, step, flow, context)
        if body is not None:
            yield body, context.inside()
        return
    if _sets_twice(builder, step.variable, context):
        return
    for variables in _passes(builder, step, flow, context):
        builder.step(step.span, context)
        builder.work += len(context.variables) // COPIES_OF_WORK
        yield step.body, context.inside(variables={**context.variables, **variables})


def _sets_twice(builder: GraphBuilder, variable: tree.Identifier | tree.Row, context: Context) -> bool:
    """Whether a row has a variable twice, which is reported."""
    if isinstance(variable, tree.Identifier):
        return False
    builder.work += len(variable.names)
    names: set[str] = {"_"}
    for name in variable.names:
        if name.name in names and name.name != "_":
            builder.report(catalogue.DUPLICATE_DEFINITION, f"the loop sets `{name.name}` twice", name.span, context)
            builder.poisoned = True
            return True
        names.add(name.name)
    return False


def _passes(builder: GraphBuilder, step: tree.For, flow: Flow, context: Context) -> Iterator[Mapping[str, Variable]]:
    """The variables that each pass of a loop sets."""
    values = step.values
    if isinstance(values, tree.Range):
        yield from _counted(builder, step.variable, values, flow, context)
        return
    if isinstance(values, tree.FunctionCall) and values.function.name == "range":
        _report_range(builder, values, context)
        return
    items = evaluate(builder, values, context, flow)
    if isinstance(items, tuple) and not isinstance(items, Size):
        written = values.items if isinstance(values, tree.ListLiteral) else ()
        for position, item in enumerate(items):
            at = written[position].span if position < len(written) else None
            variables = _set(builder, step.variable, item, at, context)
            if variables is None:
                builder.poisoned = True
                return
            yield variables
        return
    if items is not UNKNOWN:
        _report_no_list(builder, values, items, context)
    builder.poisoned = True


def _report_range(builder: GraphBuilder, values: tree.FunctionCall, context: Context) -> None:
    """``range(3)`` of Python, which ends before its last number."""
    builder.poisoned = True
    numbers = [one.value.value if isinstance(one.value, tree.Number) else None for one in values.arguments]
    meant = None
    if 1 <= len(numbers) <= 2 and all(isinstance(number, int) for number in numbers):
        first, last = (0, *numbers)[-2:]
        assert isinstance(first, int) and isinstance(last, int)
        meant = f"{first}..{last - 1}"
    suggestion = f"write `{meant or '0..n - 1'}`: both ends are included"
    builder.report(
        catalogue.UNKNOWN_NAME,
        "there is no function `range`",
        values.span,
        context,
        helps=(suggestion,),
        fix=Fix(suggestion, (Edit(values.span, meant),)) if meant else None,
    )


def _report_no_list(builder: GraphBuilder, values: tree.Expression, items: object, context: Context) -> None:
    is_count = isinstance(items, int) and not isinstance(items, bool)
    builder.report(
        catalogue.REPEAT_COUNT,
        "a loop runs from one integer to another, or over a list",
        Label(values.span, f"this is {format_value(items) if is_count else kind_of(items)}"),
        context,
        helps=(f"did you mean `1..{values.span.text}`?",) if is_count else (),
        fix=renamed(values.span, f"1..{values.span.text}") if is_count else None,
    )


def _counted(
    builder: GraphBuilder, variable: tree.Identifier | tree.Row, values: tree.Range, flow: Flow, context: Context
) -> Iterator[Mapping[str, Variable]]:
    first, last = (_bound(builder, bound, flow, context) for bound in (values.first, values.last))
    if first is None or last is None:
        builder.poisoned = True
        return
    for index in range(first, last + 1):
        variables = _set(builder, variable, index, None, context)
        if variables is None:
            builder.poisoned = True
            return
        yield variables


def _set(
    builder: GraphBuilder, variable: tree.Identifier | tree.Row, item: object, at: Span | None, context: Context
) -> Mapping[str, Variable] | None:
    """What one pass sets: a variable to the item, or the variables of a row to the items in it."""
    if isinstance(variable, tree.Identifier):
        return {variable.name: Variable(item)}
    if item is UNKNOWN:
        return None
    names = variable.names
    builder.work += len(names)
    if isinstance(item, tuple) and not isinstance(item, Size) and len(item) == len(names):
        return {name.name: Variable(value) for name, value in zip(names, item, strict=True) if name.name != "_"}
    is_list = isinstance(item, tuple) and not isinstance(item, Size)
    what = f"a list of {len(item)}" if isinstance(item, tuple) and is_list else kind_of(item)
    builder.report(
        catalogue.EXPRESSION,
        f"the loop has {len(names)} variable{'' if len(names) == 1 else 's'} for each row, and this row is {what}",
        Label(at or variable.span),
        context,
        secondary=(Label(variable.span, "the variables"),) if at else (),
    )
    return None


def _bound(builder: GraphBuilder, bound: tree.Expression, flow: Flow, context: Context) -> int | None:
    value = evaluate(builder, bound, context, flow)
    if value is UNKNOWN:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    label = f"this is {format_value(value) if isinstance(value, float) else kind_of(value)}"
    builder.report(catalogue.REPEAT_COUNT, "a loop runs from one integer to another", Label(bound.span, label), context)
    return None


def _chosen(builder: GraphBuilder, step: tree.If, flow: Flow, context: Context) -> tree.Body | None:
    condition = evaluate(builder, step.condition, context, flow)
    if isinstance(condition, bool):
        return step.then if condition else step.otherwise
    if condition is not UNKNOWN:
        builder.report(
            catalogue.EXPRESSION,
            f"a condition is true or false, and this is {kind_of(condition)}",
            step.condition.span,
            context,
            helps=("compare it: `x > 0`, `kind == pad`",),
        )
    builder.poisoned = True
    return None
