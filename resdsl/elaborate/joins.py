"""Joins: every statement in the braces is a branch from the same value."""

from __future__ import annotations

from resdsl.diagnostics import Label, Span, catalogue
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow, TapPoint
from resdsl.elaborate.unroll import unroll
from resdsl.ir.graph import Scope, ScopeKind
from resdsl.ir.operator import Operator, Refusal
from resdsl.ops import joins
from resdsl.syntax import tree


def join(builder: GraphBuilder, step: tree.Join, flow: Flow, context: Context) -> Flow:
    """``concat { .. }`` and the like: every statement is a branch from the same value."""
    scope = join_scope(step.kind, step.keyword_span, flow, context)
    inner = context.inside(scope=scope)
    ends: list[tuple[tree.Statement, Flow]] = []
    _branches(builder, step.body, flow, inner, ends)
    if not ends:
        builder.report(
            catalogue.EMPTY_JOIN,
            f"this `{step.kind}` has no branches",
            step.keyword_span,
            context,
            helps=("every statement in its braces is a branch; `identity` is the value itself",),
        )
        builder.poisoned = True
        return None
    values = [value for _, value in ends if value is not None]
    if step.kind not in joins():
        # The parser has reported it, and keeps it in the tree.
        builder.poisoned = True
        return None
    if flow is None or len(values) < len(ends):
        return None
    operator: Operator = joins()[step.kind]()
    path = context.naming.named(step.kind)
    node = builder.add(operator, tuple(values), path, step, inner)
    if isinstance(node, Refusal):
        builder.poisoned = True
        marks = [
            Label(branch.span, f"branch {number} gives {builder.nodes[value].type}")
            for number, (branch, value) in enumerate(ends, start=1)
            if value is not None
        ]
        blamed = node.branch if node.branch is not None else len(marks) - 1
        others = [mark for number, mark in enumerate(marks) if number != blamed][:3]
        builder.report(node.code, node.message, marks[blamed], context, secondary=others, helps=node.helps)
        return None
    scope.output = node.index
    return node.index


def _branches(
    builder: GraphBuilder, body: tree.Body, flow: Flow, context: Context, ends: list[tuple[tree.Statement, Flow]]
) -> None:
    for statement in body.statements:
        if isinstance(statement, tree.Broken):
            ends.append((statement, None))
        elif not isinstance(statement, tree.Step):
            if isinstance(statement, tree.Tap):
                # So that a `from` of it is not a second error.
                context.frame.taps.setdefault(statement.name.name, TapPoint(None, statement.name.span))
            builder.poisoned = True
            builder.report(
                catalogue.MISPLACED,
                "only branches can stand directly in a join",
                statement.span,
                context,
                helps=("put it into the braces of one branch, or before the join",),
            )
        elif isinstance(statement.flow, tree.For | tree.If) and statement.label is None:
            # A loop or a condition around branches gives branches.
            for unrolled, inside in unroll(builder, statement.flow, flow, context):
                _branches(builder, unrolled, flow, inside, ends)
        elif _is_identity(statement):
            if builder.recording is not None:
                builder.recording.pass_by(_one(statement), flow, context)
            ends.append((statement, flow))
        else:
            ends.append((statement, builder.run_body(builder, _one(statement), flow, context)))


def _one(statement: tree.Statement) -> tree.Body:
    return tree.Body((statement,), span=statement.span)


def _is_identity(step: tree.Step) -> bool:
    return (
        step.label is None
        and step.shape is None
        and isinstance(step.flow, tree.Call)
        and step.flow.callee.name == "identity"
        and not step.flow.arguments
    )


def join_scope(callee: str, span: Span, flow: Flow, context: Context) -> Scope:
    """A scope that adds nothing to the names in it."""
    scope = Scope(ScopeKind.JOIN, "", context.naming.prefix.removesuffix("."), callee, {}, span, [], flow or 0)
    context.scope.children.append(scope)
    return scope
