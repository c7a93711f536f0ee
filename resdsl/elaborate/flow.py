"""Statements, one after another: each takes the current value and gives the next."""

from __future__ import annotations

from typing import assert_never

from resdsl.diagnostics import Span, catalogue
from resdsl.diagnostics.suggest import closest, renamed
from resdsl.elaborate import calls, claims, declarations, joins, residual
from resdsl.elaborate.control import unroll
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.state import Flow, Naming, Place, StageArguments, State, Variable
from resdsl.elaborate.values import UNKNOWN, kind_of, written
from resdsl.ir.graph import Scope, ScopeKind
from resdsl.syntax import tree


def run_body(state: State, body: tree.Body, flow: Flow, place: Place) -> Flow:
    """Carry out the statements of a body; gives the value that flows out."""
    variables = dict(place.variables)
    place = place.inside(variables=variables)
    for statement in body.statements:
        state.step(statement.span, place)
        match statement:
            case tree.Step():
                flow = _step(state, statement, flow, place)
            case tree.Const():
                variables[statement.name.name] = Variable(evaluate(state, statement.value, place, flow))
            case tree.Broken():
                flow = None
                state.poisoned = True
            case _:
                declarations.DECLARATIONS[type(statement)](state, statement, flow, place)
    return flow


def _step(state: State, step: tree.Step, flow: Flow, place: Place) -> Flow:
    label = None if step.label is None else label_text(state, step.label, flow, place)
    result = _apply(state, step.flow, flow, place, label)
    if step.shape is not None:
        claims.annotation(state, step.shape, step.flow, result, place)
    return result


def _apply(state: State, step: tree.Flow, flow: Flow, place: Place, label: str | None) -> Flow:
    if isinstance(step, tree.Call):
        return calls.call(state, step, flow, place, label)
    if isinstance(step, tree.Stage):
        return _stage(state, step, flow, place)
    if label is not None:
        # A label before anything else makes a scope of it; what is in it is numbered unless it has labels itself.
        place = _labelled(state, label, step.span, flow, place)
    result = _unlabelled(state, step, flow, place)
    if label is not None and result is not None:
        place.scope.output = result
    return result


def _unlabelled(
    state: State,
    step: tree.Group | tree.Repeat | tree.Residual | tree.Join | tree.From | tree.For | tree.If,
    flow: Flow,
    place: Place,
) -> Flow:
    match step:
        case tree.Group():
            return run_body(state, step.body, flow, place)
        case tree.Repeat():
            return calls.repeat(state, step, flow, place)
        case tree.Residual():
            return residual.residual(state, step, flow, place)
        case tree.Join():
            return joins.join(state, step, flow, place)
        case tree.From():
            return _from(state, step, place)
        case tree.For() | tree.If():
            for body, inside in unroll(state, step, flow, place):
                flow = run_body(state, body, flow, inside)
            return flow
        case _:
            assert_never(step)


def label_text(state: State, label: tree.LabelTree, flow: Flow, place: Place) -> str:
    """A label with its loop values put in."""
    pieces: list[str] = []
    for part in label.parts:
        if isinstance(part, str):
            pieces.append(part)
            continue
        value = evaluate(state, part, place, flow)
        if value is UNKNOWN:
            pieces.append("_")
        elif isinstance(value, int | str) and not isinstance(value, bool):
            pieces.append(str(value))
        else:
            message = f"a label is made of names and whole numbers, and this is {kind_of(value)}"
            state.report(catalogue.ARGUMENT_TYPE, message, part.span, place)
            pieces.append("_")
    return "".join(pieces)


def _labelled(state: State, label: str, span: Span, flow: Flow, place: Place) -> Place:
    path = place.naming.label(label)
    state.claim_name(path, span, place)
    scope = Scope(ScopeKind.GROUP, label, path, "", {}, span, [], flow or 0)
    place.scope.children.append(scope)
    return place.inside(naming=Naming(f"{path}.", True), scope=scope)


def _stage(state: State, stage: tree.Stage, flow: Flow, place: Place) -> Flow:
    label = label_text(state, stage.label, flow, place)
    inner = _labelled(state, label, stage.span, flow, place)
    inner.scope.kind = ScopeKind.STAGE
    waiting = _stage_arguments(state, stage, flow, place)
    inner.scope.arguments = {
        argument.name.name: written(value) for argument, value in waiting.arguments if argument.name is not None
    }
    failed = state.poisoned
    result = run_body(state, stage.body, flow, inner.inside(stage=waiting))
    if waiting.arguments and not waiting.taken and state.poisoned == failed:
        state.report(
            catalogue.STAGE_ARGUMENTS,
            f"the stage `{label}` has arguments, and no block in it to take them",
            waiting.arguments[0][0].span,
            place,
            helps=("they go to the first block that is called in the stage; ops take their own",),
        )
        state.poisoned = True
    if result is not None:
        inner.scope.output = result
    return result


def _stage_arguments(state: State, stage: tree.Stage, flow: Flow, place: Place) -> StageArguments:
    evaluated: list[tuple[tree.Argument, object]] = []
    for argument in stage.arguments:
        if argument.name is None:
            state.report(
                catalogue.STAGE_ARGUMENTS,
                "the arguments of a stage are given by name",
                argument.span,
                place,
                helps=(f"write `stride = {argument.value.span.text}`, if that is meant",),
            )
            continue
        value = evaluate(state, argument.value, place, flow, words=_words(argument.value))
        evaluated.append((argument, value))
    return StageArguments(tuple(evaluated))


def _words(expression: tree.Expression) -> tuple[str, ...]:
    """A stage passes words on to a block that it does not know yet; the block checks them."""
    return (expression.name,) if isinstance(expression, tree.Name) else ()


def _from(state: State, step: tree.From, place: Place) -> Flow:
    tap = place.frame.taps.get(step.tap.name)
    if tap is None:
        guess = closest(step.tap.name, list(place.frame.taps))
        if guess:
            helps: tuple[str, ...] = ()
        elif place.frame.taps:
            helps = (f"set here: {', '.join(f'`{name}`' for name in place.frame.taps)}",)
        else:
            helps = (f"set it where the value is: `tap {step.tap.name}`, above, in the same block or model",)
        message = f"there is no tap `{step.tap.name}` in this {place.frame.definition.tree.kind}"
        fix = renamed(step.tap.span, guess)
        state.report(catalogue.UNKNOWN_TAP, message, step.tap.span, place, helps=helps, fix=fix)
        state.poisoned = True
        run_body(state, step.body, None, place)
        return None
    return run_body(state, step.body, tap.value, place)
