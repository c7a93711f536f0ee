"""Calls: what is called, operators, which become a node each, and repeats, which are calls one after another."""

from __future__ import annotations

from resdsl.diagnostics import Label, catalogue
from resdsl.diagnostics.suggest import closest, renamed
from resdsl.elaborate import blocks
from resdsl.elaborate.arguments import Slots, bind_operator, match
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.program import Defined
from resdsl.elaborate.state import Flow, Place, State
from resdsl.elaborate.values import UNKNOWN, kind_of, written
from resdsl.ir.operator import Operator, Refusal
from resdsl.ops import aliases, joins, operators
from resdsl.ops.signature import signature
from resdsl.syntax import tree


def call(
    state: State,
    step: tree.Call,
    flow: Flow,
    place: Place,
    label: str | None,
    repetition: blocks.Repetition | None = None,
) -> Flow:
    """Apply an operator, block or model to the current value."""
    callee = resolve(state, step.callee, place)
    if callee is None:
        _evaluate_anyway(state, step, flow, place)
        state.poisoned = True
        return None
    if isinstance(callee, Defined):
        return blocks.call_block(state, callee, step, flow, place, label, repetition)
    return _call_operator(state, callee, step, flow, place, label)


def repeat(state: State, step: tree.Repeat, flow: Flow, place: Place) -> Flow:
    """``3 x bottleneck(64)``."""
    count = evaluate(state, step.count, place, flow)
    if count is UNKNOWN:
        state.poisoned = True
        return None
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        found = f"this is {written(count)}" if isinstance(count, int | float) else f"this is {kind_of(count)}"
        message = "a repeat count is a whole number from 0"
        state.report(catalogue.REPEAT_COUNT, message, Label(step.count.span, found), place)
        state.poisoned = True
        return None
    if count > state.limits.nodes:
        message = f"{count:,} repetitions, and a network may have {state.limits.nodes:,} operators"
        state.too_large(message, step.count.span, place, "nodes")
    repetition = blocks.Repetition()
    for _ in range(count):
        state.step(step.span, place)
        flow = call(state, step.call, flow, place, None, repetition)
        if flow is None:
            # The other repetitions would only fail after the first.
            return None
    return flow


def resolve(state: State, name: tree.Identifier, place: Place) -> Defined | type[Operator] | None:
    """What a name that is called refers to; ``None`` after a mistake."""
    variable = place.variables.get(name.name)
    if variable is not None:
        value = variable.value
        if isinstance(value, Defined) or (isinstance(value, type) and issubclass(value, Operator)):
            return value
        if value is not UNKNOWN:
            state.report(
                catalogue.UNKNOWN_CALLEE,
                f"`{name.name}` is {kind_of(value)}, not a block",
                name.span,
                place,
                helps=("a parameter that takes a block is declared `body: block`",),
            )
        return None
    found = place.unit.definitions.get(name.name) or operators().get(name.name)
    if found is None and name.name not in place.unit.missing:
        _unknown_callee(state, name, place)
    return found


def _unknown_callee(state: State, name: tree.Identifier, place: Place) -> None:
    known = [*operators(), *place.unit.definitions, *joins(), "residual"]
    guess = aliases().get(name.name.lower()) or closest(name.name, known)
    helps: list[str] = []
    if name.name in joins() or name.name == "residual":
        helps.append(f"`{name.name}` is a join: write its branches in braces, `{name.name} {{ ... }}`")
    elif not guess:
        helps.append(
            f'define it with `block {name.name}(...) {{ ... }}`, or bring it in with `use "file.res" ({name.name})`'
        )
    fix = None if helps else renamed(name.span, guess)
    message = f"there is no op or block `{name.name}`"
    state.report(catalogue.UNKNOWN_CALLEE, message, name.span, place, helps=helps, fix=fix)


def _evaluate_anyway(state: State, step: tree.Call, flow: Flow, place: Place) -> None:
    """Mistakes inside the arguments are independent of the callee's name. Bare words are not: they depend on it."""
    for argument in step.arguments:
        if not isinstance(argument.value, tree.Name):
            evaluate(state, argument.value, place, flow)


def _call_operator(
    state: State, operator: type[Operator], step: tree.Call, flow: Flow, place: Place, label: str | None
) -> Flow:
    slots = match(state, step.arguments, tuple(signature(operator)), operator.name, place)
    bound = None if slots is None else bind_operator(state, operator, step, slots, place, flow)
    path = place.naming.child(operator.name) if label is None else place.naming.label(label)
    if bound is None or slots is None or flow is None:
        state.poisoned = True
        return None
    node = state.add(bound, (flow,), path, step, place)
    if isinstance(node, Refusal):
        refused(state, node, step, slots, flow, place)
        return None
    if label is None and not place.naming.numbered and len(state.parameters) and f"{path}.weight" in state.parameters:
        blocks.warn_positional(state, step, path, place)
    if bound.cancels_bias:
        _warn_bias_before_norm(state, bound, flow, step, place)
    return node.index


def refused(state: State, refusal: Refusal, step: tree.Call, slots: Slots, flow: int, place: Place) -> None:
    """Tell why an operator cannot take its input, and where that input comes from."""
    state.poisoned = True
    at = slots[refusal.argument].span if refusal.argument in slots else step.span
    source = state.nodes[flow]
    state.report(
        refusal.code,
        refusal.message,
        at,
        place,
        secondary=(Label(source.span, f"this gives {source.type}"),) if source.span != at else (),
        helps=refusal.helps,
    )


def _warn_bias_before_norm(state: State, norm: Operator, flow: int, step: tree.Call, place: Place) -> None:
    before = state.nodes[flow]
    if getattr(before.operator, "bias", False):
        own = "has a bias of its own" if getattr(norm, "affine", False) else "subtracts it"
        state.report(
            catalogue.BIAS_BEFORE_NORM,
            f"the bias does nothing: the {norm.label()} after it takes the mean away again",
            Label(before.span, "has a bias"),
            place,
            secondary=(Label(step.span, f"the {norm.label()} {own}"),),
            helps=("leave out `bias = true`",),
        )
