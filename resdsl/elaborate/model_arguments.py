"""Values given for the parameters of a model from outside: `--set classes=10`."""

from __future__ import annotations

from collections.abc import Mapping

from resdsl.diagnostics import Diagnostics, Source, catalogue
from resdsl.elaborate.arguments import Given, Slots, bind_definition
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Variable
from resdsl.elaborate.program import Defined
from resdsl.elaborate.values import UNKNOWN
from resdsl.syntax import parse, tree


def model_parameters(
    builder: GraphBuilder, defined: Defined, arguments: Mapping[str, object], context: Context
) -> dict[str, Variable] | None:
    """The parameters of a model, from what the user gives and its defaults; ``None`` after an error."""
    names = [parameter.name.name for parameter in defined.tree.parameters]
    slots: Slots = {}
    for name, value in arguments.items():
        if name not in names:
            guess = builder.suggester.closest(name, names)
            known = ", ".join(f"`{one}`" for one in names)
            helps = (f"did you mean `{guess}`?" if guess else f"it has {known}" if known else "it has none",)
            message = f"the model `{defined.name}` has no parameter `{name}`"
            builder.report(catalogue.UNKNOWN_ARGUMENT, message, defined.tree.name.span, helps=helps)
            continue
        slots[name] = _given(builder, name, value, defined)
    if builder.diagnostics.errors and len(slots) < len(arguments):
        return None
    return bind_definition(builder, defined, defined.tree.name.span, slots, context, None, context)


def _given(builder: GraphBuilder, name: str, value: object, defined: Defined) -> Given:
    if not isinstance(value, str):
        return Given(defined.tree.name.span, None, value)
    expression = parse_value(value, builder.diagnostics, name=f"--set {name}")
    return Given(
        expression.span if expression else defined.tree.name.span, expression, UNKNOWN if expression is None else None
    )


def parse_value(text: str, diagnostics: Diagnostics, *, name: str = "<value>") -> tree.Expression | None:
    """Read one expression, as the user gives one for a parameter; ``None`` where it has mistakes."""
    prefix = "const value = "
    found = Diagnostics()
    module = parse(Source(name, prefix + text), found)
    diagnostics.extend(found)
    if found.errors or len(module.items) != 1 or not isinstance(module.items[0], tree.Const):
        return None
    return module.items[0].value
