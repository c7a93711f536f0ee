"""Compile-time loops and conditions."""

from __future__ import annotations

from collections.abc import Iterator

from resdsl.diagnostics import Label, catalogue
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.state import Flow, Place, State, Variable
from resdsl.elaborate.values import UNKNOWN, kind_of, written
from resdsl.syntax import tree


def unroll(state: State, step: tree.For | tree.If, flow: Flow, place: Place) -> Iterator[tuple[tree.Body, Place]]:
    """The bodies that a loop or a condition stands for, each with the place where it is carried out."""
    if isinstance(step, tree.If):
        body = _chosen(state, step, flow, place)
        if body is not None:
            yield body, place.inside()
        return
    first, last = (_bound(state, bound, flow, place) for bound in (step.first, step.last))
    if first is None or last is None:
        state.poisoned = True
        return
    for index in range(first, last + 1):
        state.step(step.span, place)
        yield step.body, place.inside(variables={**place.variables, step.variable.name: Variable(index)})


def _bound(state: State, bound: tree.Expression, flow: Flow, place: Place) -> int | None:
    value = evaluate(state, bound, place, flow)
    if value is UNKNOWN:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = f"this is {written(value) if isinstance(value, float) else kind_of(value)}"
    state.report(
        catalogue.REPEAT_COUNT, "a loop runs from one whole number to another", Label(bound.span, found), place
    )
    return None


def _chosen(state: State, step: tree.If, flow: Flow, place: Place) -> tree.Body | None:
    condition = evaluate(state, step.condition, place, flow)
    if isinstance(condition, bool):
        return step.then if condition else step.otherwise
    if condition is not UNKNOWN:
        state.report(
            catalogue.EXPRESSION,
            f"a condition is true or false, and this is {kind_of(condition)}",
            step.condition.span,
            place,
            helps=("compare it: `x > 0`, `kind == pad`",),
        )
    state.poisoned = True
    return None
