"""Repeats: a call or a body, several times one after another."""

from __future__ import annotations

from resdsl.diagnostics import Label, catalogue
from resdsl.elaborate import blocks, calls
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.groups import open_group
from resdsl.elaborate.values import UNKNOWN, kind_of
from resdsl.ir.values import format_value
from resdsl.syntax import tree


def repeat(builder: GraphBuilder, step: tree.Repeat, flow: Flow, context: Context) -> Flow:
    """``3 x bottleneck(64)``, ``3 x { ... }``: the same call or body, one after another."""
    count = evaluate(builder, step.count, context, flow)
    if count is UNKNOWN:
        builder.poisoned = True
        return None
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        label = f"this is {format_value(count)}" if isinstance(count, int | float) else f"this is {kind_of(count)}"
        message = "a repeat count is an integer from 0"
        builder.report(catalogue.REPEAT_COUNT, message, Label(step.count.span, label), context)
        builder.poisoned = True
        return None
    if count > builder.limits.nodes:
        message = f"{count:,} repetitions, and a network may have {builder.limits.nodes:,} operators"
        builder.too_large(message, step.count.span, context, "nodes")
    repetition = blocks.Repetition()
    for _ in range(count):
        builder.step(step.span, context)
        if isinstance(step.repeated, tree.Call):
            flow = calls.call(builder, step.repeated, flow, context, None, repetition)
        else:
            flow = _pass(builder, step.repeated, flow, context)
        if flow is None:
            # The other repetitions would only fail after the first.
            return None
    return flow


def _pass(builder: GraphBuilder, group: tree.Group, flow: Flow, context: Context) -> Flow:
    """One repetition of a body: a group, named as a repeated call is, by its position or `repeat`, `repeat_2`."""
    path = context.naming.child("repeat")
    first = len(builder.parameters)
    inside = open_group(builder, path, group.span, flow, context)
    result = builder.run_body(builder, group.body, flow, inside)
    if result is not None:
        inside.scope.output = result
    if not context.naming.numbered and len(builder.parameters) > first:
        blocks.warn_positional(builder, group, path, context)
    return result
