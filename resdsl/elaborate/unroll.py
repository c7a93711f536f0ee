"""Compile-time loops and conditions."""

from __future__ import annotations

from collections.abc import Iterator

from resdsl.diagnostics import Label, catalogue
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow, Variable
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.limits import COPIES_OF_WORK
from resdsl.elaborate.values import UNKNOWN, kind_of
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
    first, last = (_bound(builder, bound, flow, context) for bound in (step.first, step.last))
    if first is None or last is None:
        builder.poisoned = True
        return
    for index in range(first, last + 1):
        builder.step(step.span, context)
        builder.work += len(context.variables) // COPIES_OF_WORK
        yield step.body, context.inside(variables={**context.variables, step.variable.name: Variable(index)})


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
