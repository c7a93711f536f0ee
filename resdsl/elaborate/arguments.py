"""What a call passes, matched with what the callee takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from resdsl.diagnostics import Label, Span, catalogue
from resdsl.diagnostics.suggest import closest, renamed
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.parameter_kinds import parameter_kind
from resdsl.elaborate.program import Defined
from resdsl.elaborate.state import Flow, Place, State, Variable
from resdsl.elaborate.values import UNKNOWN, kind_of, written
from resdsl.ir.operator import Operator
from resdsl.ir.types import Size
from resdsl.ops.signature import Argument, ArgumentMismatch, signature
from resdsl.syntax import tree


@dataclass(frozen=True, slots=True)
class Given:
    """An argument that was passed: where, and its value if that was computed elsewhere (a stage's, the user's)."""

    span: Span
    expression: tree.Expression | None
    value: object = None


Slots = dict[str, Given]


def match(
    state: State,
    arguments: Sequence[tree.Argument],
    names: Sequence[str],
    callee: str,
    place: Place,
) -> Slots | None:
    """Put each argument of a call to the parameter it is for: by position, then by name. ``None`` after a mistake."""
    slots: Slots = {}
    fine = True
    for position, argument in enumerate(arguments):
        if argument.name is not None:
            name = argument.name.name
            if name not in names:
                _unknown(state, argument.name, names, callee, place)
                fine = False
                continue
        elif position >= len(names):
            takes = f"takes {len(names)} arguments" if len(names) != 1 else "takes one argument"
            message = f"`{callee}` {takes if names else 'takes no arguments'}, and this is number {position + 1}"
            helps = (f"it takes {', '.join(f'`{one}`' for one in names)}",) if names else ()
            state.report(catalogue.TOO_MANY_ARGUMENTS, message, argument.span, place, helps=helps)
            return None
        else:
            name = names[position]
        if name in slots:
            state.report(
                catalogue.DUPLICATE_ARGUMENT,
                f"`{name}` is given twice",
                Label(argument.span, "again here"),
                place,
                secondary=(Label(slots[name].span, "first here"),),
            )
            fine = False
            continue
        slots[name] = Given(argument.span, argument.value)
    return slots if fine else None


def _unknown(state: State, name: tree.Identifier, names: Sequence[str], callee: str, place: Place) -> None:
    guess = closest(name.name, names)
    helps: tuple[str, ...] = ()
    if not guess:
        helps = (f"it takes {', '.join(f'`{other}`' for other in names)}" if names else "it takes no arguments at all",)
    message = f"`{callee}` takes no `{name.name}`"
    state.report(catalogue.UNKNOWN_ARGUMENT, message, name.span, place, helps=helps, fix=renamed(name.span, guess))


def bind_operator(
    state: State, operator: type[Operator], call: tree.Call, slots: Slots, place: Place, flow: Flow
) -> Operator | None:
    """The operator that a call makes, from its arguments, the model's ``default`` lines, and its own defaults."""
    taken = signature(operator)
    defaults = place.frame.defaults.get(operator.name, {})
    values: dict[str, object] = {}
    fine = True
    for name, argument in taken.items():
        given = slots.get(name)
        if given is None:
            if name in defaults:
                values[name] = defaults[name]
            elif argument.required:
                _missing(state, name, argument.kind, operator.name, call, place)
                fine = False
            continue
        value = coerce_argument(state, argument, given, place, flow, operator.name)
        if value is UNKNOWN:
            fine = False
        values[name] = value
    return operator(**values) if fine else None


def coerce_argument(state: State, argument: Argument, given: Given, place: Place, flow: Flow, callee: str) -> object:
    """The value of an operator's argument, checked; ``UNKNOWN`` after a mistake."""
    value = given.value
    if given.expression is not None:
        value = evaluate(state, given.expression, place, flow, words=argument.words)
    if value is UNKNOWN:
        return UNKNOWN
    try:
        return argument.coerce(value)
    except ArgumentMismatch as mismatch:
        code = catalogue.ARGUMENT_VALUE if mismatch.out_of_range else catalogue.ARGUMENT_TYPE
        state.report(
            code,
            f"`{argument.name}` of `{callee}` must be {mismatch.expected}",
            Label(given.span, f"this is {_told(value)}"),
            place,
        )
        return UNKNOWN


def _told(value: object) -> str:
    kind = kind_of(value)
    text = written(value)
    if isinstance(value, int | float | Size):
        return text
    return kind if len(text) > 40 or text in kind else f"{kind}, {text}"


def _missing(state: State, name: str, kind: str, callee: str, call: tree.Call, place: Place) -> None:
    helps = [f"`{name}` is {_article(kind)}"] if kind else []
    state.report(
        catalogue.MISSING_ARGUMENT,
        f"`{callee}` needs `{name}`",
        Label(call.span, f"`{name}` is not given"),
        place,
        helps=helps,
    )


def _article(kind: str) -> str:
    if kind.startswith("["):
        return kind
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def bind_definition(
    state: State, defined: Defined, call: Span, slots: Slots, place: Place, flow: Flow, inner: Place
) -> dict[str, Variable] | None:
    """The parameters of a block for one call.

    Arguments are computed where the call stands (``place``), defaults where the block is defined (``inner``), each
    seeing the parameters before it.
    """
    variables = dict(inner.variables)
    fine = True
    for parameter in defined.tree.parameters:
        name = parameter.name.name
        given = slots.get(name)
        coerce, words = parameter_kind(state, parameter, inner)
        if given is None and parameter.default is None:
            state.report(
                catalogue.MISSING_ARGUMENT,
                f"`{defined.name}` needs `{name}`",
                Label(call, f"`{name}` is not given"),
                place,
                secondary=(Label(parameter.span, "a parameter without a default"),),
            )
            fine = False
            continue
        if given is None:
            current = Place(inner.frame, inner.unit, variables, inner.naming, inner.scope, None, inner.depth)
            assert parameter.default is not None
            value = evaluate(state, parameter.default, current, flow, words=words)
            span = parameter.default.span
        else:
            value = given.value
            if given.expression is not None:
                value = evaluate(state, given.expression, place, flow, words=words)
            span = given.span
        if value is not UNKNOWN:
            value = _checked(state, parameter, coerce, value, span, place, defined)
        fine = fine and value is not UNKNOWN
        variables[name] = Variable(value, words)
    return variables if fine else None


def _checked(
    state: State,
    parameter: tree.Parameter,
    coerce: Callable[[object], object],
    value: object,
    span: Span,
    place: Place,
    defined: Defined,
) -> object:
    try:
        return coerce(value)
    except ArgumentMismatch as mismatch:
        state.report(
            catalogue.ARGUMENT_TYPE,
            f"`{parameter.name.name}` of `{defined.name}` must be {mismatch.expected}",
            Label(span, f"this is {_told(value)}"),
            place,
            secondary=(Label(parameter.span, "declared here"),),
        )
        return UNKNOWN
