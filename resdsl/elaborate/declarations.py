"""Statements through which the value flows unchanged: taps, outputs, defaults, and what is said of the model."""

from __future__ import annotations

from collections.abc import Callable

from resdsl.diagnostics import Label, catalogue
from resdsl.diagnostics.suggest import closest, renamed
from resdsl.elaborate import claims, preprocessing
from resdsl.elaborate.arguments import Given, coerce_argument, match
from resdsl.elaborate.state import Flow, Place, State, TapPoint
from resdsl.elaborate.values import UNKNOWN
from resdsl.ir.graph import Output
from resdsl.ops import aliases, operators
from resdsl.ops.signature import signature
from resdsl.syntax import tree


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
        guess = aliases().get(name.lower()) or closest(name, list(operators()))
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
