"""What a call passes, matched with what the callee takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from resdsl.diagnostics import Label, Span, catalogue
from resdsl.diagnostics.suggest import renamed
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow, Variable, source_of
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.habits import input_channels_help
from resdsl.elaborate.limits import COPIES_OF_WORK
from resdsl.elaborate.parameter_kinds import parameter_kind
from resdsl.elaborate.program import Defined
from resdsl.elaborate.values import UNKNOWN, kind_of, listed
from resdsl.ir.operator import Operator
from resdsl.ir.types import Size
from resdsl.ir.values import ArgumentMismatch, format_value
from resdsl.ops.signature import Argument, signature
from resdsl.syntax import tree


@dataclass(frozen=True, slots=True)
class Given:
    """An argument that was passed: where, and its value if that was computed elsewhere (a stage's, the user's).

    ``source`` is the model parameter that such a value is passed through from.
    """

    span: Span
    expression: tree.Expression | None
    value: object = None
    source: str | None = None


Slots = dict[str, Given]

_MANY = 50
"""Names that are faster to look up in a set."""


def match(
    builder: GraphBuilder,
    arguments: Sequence[tree.Argument],
    names: Sequence[str],
    callee: str,
    context: Context,
) -> Slots | None:
    """Assign each argument of a call to its parameter: by position, then by name. ``None`` after an error."""
    slots: Slots = {}
    fine = True
    known = names if len(names) < _MANY else frozenset(names)
    for position, argument in enumerate(arguments):
        if argument.name is not None:
            name = argument.name.name
            if name not in known:
                meant = _unknown(builder, argument.name, names, callee, context)
                if meant is not None and meant not in slots:
                    # The rest of the call is checked as if it had been written so.
                    slots[meant] = Given(argument.span, argument.value)
                fine = fine and (meant is not None or name in INFERRED)
                continue
        elif position >= len(names):
            takes = f"takes {len(names)} arguments" if len(names) != 1 else "takes one argument"
            message = f"`{callee}` {takes if names else 'takes no arguments'}, and this is number {position + 1}"
            helps = (f"it takes {listed(names)}",) if names else ()
            builder.report(catalogue.TOO_MANY_ARGUMENTS, message, argument.span, context, helps=helps)
            return None
        else:
            name = names[position]
        if name in slots:
            builder.report(
                catalogue.DUPLICATE_ARGUMENT,
                f"`{name}` is given twice",
                Label(argument.span, "again here"),
                context,
                secondary=(Label(slots[name].span, "first here"),),
            )
            fine = False
            continue
        slots[name] = Given(argument.span, argument.value)
    return slots if fine else None


FOREIGN_NAMES = {
    "dilation_rate": "dilation",
    "epsilon": "eps",
    "filters": "channels",
    "kernel_size": "kernel",
    "negative_slope": "slope",
    "out_channels": "channels",
    "out_features": "features",
    "padding": "pad",
    "pool_size": "kernel",
    "scale_factor": "scale",
    "strides": "stride",
    "units": "features",
    "use_bias": "bias",
}
"""What other libraries call our arguments."""

INFERRED = frozenset({"in_channels", "in_features", "num_features", "num_channels", "input_shape"})
"""Arguments of other libraries that are known here from the current value."""


def _unknown(
    builder: GraphBuilder, name: tree.Identifier, names: Sequence[str], callee: str, context: Context
) -> str | None:
    """Report a name that is no parameter; returns the one that is meant, if that is clear."""
    builder.poisoned = True
    foreign = FOREIGN_NAMES.get(name.name)
    guess = foreign if foreign in names else builder.suggester.closest(name.name, names)
    helps: tuple[str, ...] = ()
    if name.name in INFERRED and name.name not in names:
        guess, helps = None, ("leave it out: it is known from the current value",)
    elif not guess:
        helps = (f"it takes {listed(names)}" if names else "it takes no arguments at all",)
    message = f"`{callee}` takes no `{name.name}`"
    builder.report(catalogue.UNKNOWN_ARGUMENT, message, name.span, context, helps=helps, fix=renamed(name.span, guess))
    return guess


def bind_operator(
    builder: GraphBuilder, operator: type[Operator], call: tree.Call, slots: Slots, context: Context, flow: Flow
) -> Operator | None:
    """The operator that a call makes, from its arguments, the model's ``default`` lines, and its own defaults."""
    taken = signature(operator)
    defaults = context.frame.defaults.get(operator.name, {})
    values: dict[str, object] = {}
    fine = True
    for name, argument in taken.items():
        given = slots.get(name)
        if given is None:
            if name in defaults:
                values[name] = defaults[name]
            elif argument.required:
                _missing(builder, name, argument.kind, operator.name, call, context)
                fine = False
            continue
        value = coerce_argument(builder, argument, given, context, flow, operator.name, call)
        if value is UNKNOWN:
            fine = False
        values[name] = value
    return operator(**values) if fine else None


def argument_sources(slots: Slots, context: Context) -> dict[str, str]:
    """The model parameters that arguments are passed through from unchanged, by argument."""
    return {name: source for name, given in slots.items() if (source := _source(given, context)) is not None}


def _source(given: Given, context: Context) -> str | None:
    return given.source if given.expression is None else source_of(given.expression, context.variables)


def coerce_argument(
    builder: GraphBuilder,
    argument: Argument,
    given: Given,
    context: Context,
    flow: Flow,
    callee: str,
    call: tree.Call | None = None,
) -> object:
    """The value of an operator's argument, checked; ``UNKNOWN`` after an error, whose helps look at the ``call``."""
    value = given.value
    if given.expression is not None:
        value = evaluate(builder, given.expression, context, flow, words=argument.words)
    if value is UNKNOWN:
        return UNKNOWN
    try:
        return argument.coerce(value)
    except ArgumentMismatch as mismatch:
        code = catalogue.ARGUMENT_VALUE if mismatch.out_of_range else catalogue.ARGUMENT_TYPE
        builder.report(
            code,
            f"`{argument.name}` of `{callee}` must be {mismatch.expected}",
            Label(given.span, f"this is {_told(value)}"),
            context,
            helps=input_channels_help(builder, call, flow) or _size_help(argument, value),
        )
        return UNKNOWN


def _size_help(argument: Argument, value: object) -> tuple[str, ...]:
    """For ``kernel = [3, 3]``."""
    is_pair = isinstance(value, tuple) and len(value) == 2 and all(type(item) is int for item in value)
    if not is_pair or "size" not in argument.kind:
        return ()
    assert isinstance(value, tuple)
    return (f"write `{value[0]}x{value[1]}`",)


def _told(value: object) -> str:
    kind = kind_of(value)
    text = format_value(value)
    if isinstance(value, int | float | Size):
        return text
    return kind if len(text) > 40 or text in kind else f"{kind}, {text}"


def _missing(builder: GraphBuilder, name: str, kind: str, callee: str, call: tree.Call, context: Context) -> None:
    helps = [f"`{name}` is {_article(kind)}"] if kind else []
    builder.report(
        catalogue.MISSING_ARGUMENT,
        f"`{callee}` needs `{name}`",
        Label(call.span, f"`{name}` is not given"),
        context,
        helps=helps,
    )


def _article(kind: str) -> str:
    if kind.startswith("["):
        return kind
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def bind_definition(
    builder: GraphBuilder, defined: Defined, call: Span, slots: Slots, context: Context, flow: Flow, inner: Context
) -> dict[str, Variable] | None:
    """The parameters of a block for one call.

    Arguments are computed where the call stands (``place``), defaults where the block is defined (``inner``), each
    seeing the parameters before it.
    """
    variables = dict(inner.variables)
    builder.work += len(variables) // COPIES_OF_WORK
    fine = True
    for parameter in defined.tree.parameters:
        name = parameter.name.name
        given = slots.get(name)
        coerce, words = parameter_kind(builder, parameter, inner)
        if given is None and parameter.default is None:
            builder.report(
                catalogue.MISSING_ARGUMENT,
                f"`{defined.name}` needs `{name}`",
                Label(call, f"`{name}` is not given"),
                context,
                secondary=(Label(parameter.span, "a parameter without a default"),),
            )
            fine = False
            continue
        if given is None:
            current = Context(inner.frame, inner.unit, variables, inner.naming, inner.scope, None, inner.depth)
            assert parameter.default is not None
            value = evaluate(builder, parameter.default, current, flow, words=words)
            span = parameter.default.span
            source = source_of(parameter.default, variables)
        else:
            value = given.value
            if given.expression is not None:
                value = evaluate(builder, given.expression, context, flow, words=words)
            span = given.span
            source = _source(given, context)
        if value is not UNKNOWN:
            value = _checked(builder, parameter, coerce, value, span, context, defined)
        fine = fine and value is not UNKNOWN
        variables[name] = Variable(value, words, name if inner.frame.root else source)
    return variables if fine else None


def _checked(
    builder: GraphBuilder,
    parameter: tree.Parameter,
    coerce: Callable[[object], object],
    value: object,
    span: Span,
    context: Context,
    defined: Defined,
) -> object:
    try:
        return coerce(value)
    except ArgumentMismatch as mismatch:
        builder.report(
            catalogue.ARGUMENT_TYPE,
            f"`{parameter.name.name}` of `{defined.name}` must be {mismatch.expected}",
            Label(span, f"this is {_told(value)}"),
            context,
            secondary=(Label(parameter.span, "declared here"),),
        )
        return UNKNOWN
