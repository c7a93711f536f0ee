"""Values given for the parameters of a model from outside: `--set classes=10`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from resdsl.diagnostics import Code, Diagnostics, Source, Span, catalogue
from resdsl.elaborate.arguments import Given, Slots, bind_definition
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Variable
from resdsl.elaborate.program import Defined
from resdsl.elaborate.values import UNKNOWN
from resdsl.syntax import parse, tree

_T = TypeVar("_T")


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
    """Read one expression, as it is given for a parameter from outside; ``None`` where it has errors."""
    # The parser reads files, so the expression is made the value of a const and moved to where it stands in its text.
    prefix = "const value = "
    source, moved = Source(name, text), Diagnostics()
    parsed = Diagnostics()
    module = parse(Source(name, prefix + text), parsed)
    for diagnostic in parsed:
        moved.report(_moved(diagnostic, source, len(prefix)))
    diagnostics.extend(moved)
    if parsed.errors or len(module.items) != 1 or not isinstance(module.items[0], tree.Const):
        return None
    return _moved(module.items[0].value, source, len(prefix))


def _moved(item: _T, source: Source, by: int) -> _T:
    """A tree or a diagnostic with every span in it moved to ``source``, where it begins so much earlier."""
    moved: Any = item
    if isinstance(item, Span):
        moved = Span(source, *(min(max(at - by, 0), len(source.text)) for at in item[1:]))
    elif isinstance(item, tuple) and type(item) is tuple:
        moved = tuple(_moved(one, source, by) for one in item)
    elif dataclasses.is_dataclass(item) and not isinstance(item, type | Code):
        changes = {one.name: _moved(getattr(item, one.name), source, by) for one in dataclasses.fields(item)}
        moved = type(item)(**changes)
    return cast("_T", moved)
