"""Where the flow parts and meets again: every statement in the braces is a branch."""

from __future__ import annotations

from resdsl.diagnostics import Label, Span, catalogue
from resdsl.elaborate.control import unroll
from resdsl.elaborate.state import Flow, Place, State, TapPoint
from resdsl.ir.graph import Scope, ScopeKind
from resdsl.ir.operator import Operator, Refusal
from resdsl.ops import joins
from resdsl.syntax import tree


def join(state: State, step: tree.Join, flow: Flow, place: Place) -> Flow:
    """``concat { .. }`` and the like: every statement is a branch from the same value."""
    scope = join_scope(step.kind, step.keyword_span, flow, place)
    inner = place.inside(scope=scope)
    ends: list[tuple[tree.Statement, Flow]] = []
    _branches(state, step.body, flow, inner, ends)
    if not ends:
        state.report(
            catalogue.EMPTY_JOIN,
            f"this `{step.kind}` has no branches",
            step.keyword_span,
            place,
            helps=("every statement in its braces is a branch; `identity` is the value itself",),
        )
        state.poisoned = True
        return None
    values = [value for _, value in ends if value is not None]
    if step.kind not in joins():
        # The parser has told it, and keeps it in the tree.
        state.poisoned = True
        return None
    if flow is None or len(values) < len(ends):
        return None
    operator: Operator = joins()[step.kind]()
    path = place.naming.named(step.kind)
    node = state.add(operator, tuple(values), path, step, inner)
    if isinstance(node, Refusal):
        state.poisoned = True
        marks = [
            Label(branch.span, f"branch {number} gives {state.nodes[value].type}")
            for number, (branch, value) in enumerate(ends, start=1)
            if value is not None
        ]
        blamed = node.branch if node.branch is not None else len(marks) - 1
        others = [mark for number, mark in enumerate(marks) if number != blamed][:3]
        state.report(node.code, node.message, marks[blamed], place, secondary=others, helps=node.helps)
        return None
    scope.output = node.index
    return node.index


def _branches(state: State, body: tree.Body, flow: Flow, place: Place, ends: list[tuple[tree.Statement, Flow]]) -> None:
    for statement in body.statements:
        if isinstance(statement, tree.Broken):
            ends.append((statement, None))
        elif not isinstance(statement, tree.Step):
            if isinstance(statement, tree.Tap):
                # So that a "from" of it is no second mistake.
                place.frame.taps.setdefault(statement.name.name, TapPoint(None, statement.name.span))
            state.poisoned = True
            state.report(
                catalogue.MISPLACED,
                "only branches can stand directly in a join",
                statement.span,
                place,
                helps=("put it into the braces of one branch, or before the join",),
            )
        elif isinstance(statement.flow, tree.For | tree.If) and statement.label is None:
            # A loop or a condition around branches gives branches.
            for unrolled, inside in unroll(state, statement.flow, flow, place):
                _branches(state, unrolled, flow, inside, ends)
        elif _is_identity(statement):
            ends.append((statement, flow))
        else:
            ends.append((statement, state.run_body(state, _one(statement), flow, place)))


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


def join_scope(callee: str, span: Span, flow: Flow, place: Place) -> Scope:
    """A scope that adds nothing to the names in it."""
    scope = Scope(ScopeKind.JOIN, "", place.naming.prefix.removesuffix("."), callee, {}, span, [], flow or 0)
    place.scope.children.append(scope)
    return scope
