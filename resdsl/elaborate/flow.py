"""Statements, one after another: each takes the current value and gives the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from resdsl.diagnostics import Label, Span, catalogue
from resdsl.diagnostics.suggest import closest, renamed
from resdsl.elaborate import branches, calls, claims, preprocessing
from resdsl.elaborate.arguments import Given, coerce_argument, match
from resdsl.elaborate.control import unroll
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.state import Flow, Naming, Place, StageArguments, State, TapPoint, Variable
from resdsl.elaborate.values import UNKNOWN, kind_of, written
from resdsl.ir.graph import Output, Scope, ScopeKind
from resdsl.ops import operators
from resdsl.ops.signature import signature
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
                variables[statement.name.name] = _const(state, statement, flow, place)
            case tree.Broken():
                flow = None
                state.poisoned = True
            case _:
                DECLARATIONS[type(statement)](state, statement, flow, place)
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
            return branches.residual(state, step, flow, place)
        case tree.Join():
            return branches.join(state, step, flow, place)
        case tree.From():
            return _from(state, step, place)
        case tree.For() | tree.If():
            for body, inside in unroll(state, step, flow, place):
                flow = run_body(state, body, flow, inside)
            return flow
        case _:
            assert_never(step)


# --- scopes ----------------------------------------------------------------------------------------------------------


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


# --- taps ------------------------------------------------------------------------------------------------------------


def _tap(state: State, tap: tree.Tap, flow: Flow, place: Place) -> None:
    first = place.frame.taps.get(tap.name.name)
    if first is not None:
        state.report(
            catalogue.DUPLICATE_TAP,
            f"the tap `{tap.name.name}` is set twice",
            Label(tap.name.span, "again here" if first.span != tap.name.span else "in each pass of a loop"),
            place,
            secondary=(Label(first.span, "first here"),) if first.span != tap.name.span else (),
            helps=("a tap names one value: give each its own name, or set it after the loop",),
        )
        return
    place.frame.taps[tap.name.name] = TapPoint(flow, tap.name.span)


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


# --- declarations ----------------------------------------------------------------------------------------------------


def _const(state: State, const: tree.Const, flow: Flow, place: Place) -> Variable:
    return Variable(evaluate(state, const.value, place, flow))


def _only_in_model(
    declare: Callable[[State, tree.Statement, Flow, Place], None], what: str
) -> Callable[[State, tree.Statement, Flow, Place], None]:
    def checked(state: State, line: tree.Statement, flow: Flow, place: Place) -> None:
        if place.frame.definition.tree.kind != "model":
            message = f"`{what}` belongs to a model, and this is a block"
            state.report(catalogue.MISPLACED, message, line.span, place)
        elif place.frame.root:
            # Of a model that is called like a block, these lines say nothing.
            declare(state, line, flow, place)

    return checked


def _output(state: State, line: tree.Statement, flow: Flow, place: Place) -> None:
    assert isinstance(line, tree.Output)
    name = line.name.name
    first = next((output for output in state.outputs if output.name == name), None)
    if first is not None:
        state.report(
            catalogue.DUPLICATE_OUTPUT,
            f"there are two outputs `{name}`",
            Label(line.name.span, "again here"),
            place,
            secondary=(Label(first.span, "first here"),),
        )
        return
    state.outputs.append(Output(name, -1 if flow is None else flow, line.name.span))


def _default(state: State, line: tree.Statement, flow: Flow, place: Place) -> None:
    assert isinstance(line, tree.Default)
    frame = place.frame
    if frame.definition.tree.kind != "model":
        message = "`default` belongs to a model, and this is a block"
        state.report(catalogue.MISPLACED, message, line.span, place)
        return
    if frame.flowing:
        state.report(
            catalogue.MISPLACED_DEFAULT,
            "a default stands before the first layer, and layers have been built already",
            line.span,
            place,
            helps=("move it up, below `input`: it holds for everything that the model builds",),
        )
        return
    operator = operators().get(line.callee.name)
    if operator is None:
        name = line.callee.name
        guess = calls.FOREIGN_NAMES.get(name.lower()) or closest(name, list(operators()))
        helps = () if guess else ("defaults are for ops; those of a block stand where it is defined",)
        message = f"there is no op `{name}`"
        fix = renamed(line.callee.span, guess)
        state.report(catalogue.UNKNOWN_CALLEE, message, line.callee.span, place, helps=helps, fix=fix)
        return
    arguments = signature(operator)
    slots = match(state, line.arguments, tuple(arguments), operator.name, place)
    if slots is None:
        return
    values = {
        name: coerce_argument(state, arguments[name], Given(given.span, given.expression), place, flow, operator.name)
        for name, given in slots.items()
    }
    known = {name: value for name, value in values.items() if value is not UNKNOWN}
    frame.defaults = {**frame.defaults, operator.name: {**frame.defaults.get(operator.name, {}), **known}}


def _once(
    declare: Callable[[State, tree.Statement, Flow, Place], None],
) -> Callable[[State, tree.Statement, Flow, Place], None]:
    """For lines that stand once in a model, and directly in it."""

    def checked(state: State, line: tree.Statement, flow: Flow, place: Place) -> None:
        keyword = line.span.text.split()[0]
        first = state.lines.setdefault(type(line), line.span)
        if place.naming.prefix:
            message = f"`{keyword}` belongs to the model itself, not to a part of it"
            helps = ("move it out of these braces, to the top of the model",)
            state.report(catalogue.MISPLACED, message, line.span, place, helps=helps)
        elif first != line.span:
            message = f"a model has one `{keyword}`"
            secondary = (Label(first, "the first"),)
            state.report(catalogue.MISPLACED, message, Label(line.span, "another one here"), place, secondary=secondary)
        else:
            declare(state, line, flow, place)

    return checked


def _preprocess(state: State, line: tree.Statement, _flow: Flow, place: Place) -> None:
    assert isinstance(line, tree.Preprocess)
    state.preprocess = preprocessing.preprocess(state, line, place)


def _labels(state: State, line: tree.Statement, _flow: Flow, place: Place) -> None:
    assert isinstance(line, tree.Labels)
    state.labels = preprocessing.labels(state, line, place)


def _input(state: State, line: tree.Statement, _flow: Flow, place: Place) -> None:
    """The input is read before the flow begins; others than the first are told then."""
    if not any(line is statement for statement in place.frame.definition.tree.body.statements):
        message = "`input` belongs to the model itself, not to a part of it"
        state.report(catalogue.MISPLACED, message, line.span, place, helps=("put it first in the model",))


DECLARATIONS: dict[type, Callable[[State, tree.Statement, Flow, Place], None]] = {
    tree.Tap: _tap,  # type: ignore[dict-item]
    tree.Output: _only_in_model(_output, "output"),
    tree.Default: _default,
    tree.Expect: _only_in_model(claims.expect, "expect"),  # type: ignore[arg-type]
    tree.Input: _only_in_model(_input, "input"),
    tree.Preprocess: _only_in_model(_once(_preprocess), "preprocess"),
    tree.Labels: _only_in_model(_once(_labels), "labels"),
}
