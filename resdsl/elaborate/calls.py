"""Calls: what is called, and operators, which become a node each."""

from __future__ import annotations

from resdsl.diagnostics import Edit, Fix, Label, Span, catalogue
from resdsl.diagnostics.suggest import renamed
from resdsl.elaborate import blocks, habits
from resdsl.elaborate.arguments import Slots, argument_sources, bind_operator, match
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.program import Defined
from resdsl.elaborate.values import UNKNOWN, kind_of
from resdsl.ir.operator import Operator, Refusal
from resdsl.ops import aliases, joins, operators
from resdsl.ops.signature import signature
from resdsl.syntax import tree


def call(
    builder: GraphBuilder,
    step: tree.Call,
    flow: Flow,
    context: Context,
    label: str | None,
    repetition: blocks.Repetition | None = None,
) -> Flow:
    """Apply an operator, block or model to the current value."""
    callee = _resolve(builder, step, context)
    if callee is None:
        _evaluate_anyway(builder, step, flow, context)
        builder.poisoned = True
        return None
    if isinstance(callee, Defined):
        return blocks.call_block(builder, callee, step, flow, context, label, repetition)
    return _call_operator(builder, callee, step, flow, context, label)


def _resolve(builder: GraphBuilder, step: tree.Call, context: Context) -> Defined | type[Operator] | None:
    """What a called name refers to; ``None`` after an error."""
    name = step.callee
    variable = context.variables.get(name.name)
    if variable is not None:
        value = variable.value
        if isinstance(value, Defined) or (isinstance(value, type) and issubclass(value, Operator)):
            return value
        if value is not UNKNOWN:
            builder.report(
                catalogue.UNKNOWN_CALLEE,
                f"`{name.name}` is {kind_of(value)}, not a block",
                name.span,
                context,
                helps=("a parameter that takes a block is declared `body: block`",),
            )
        return None
    callee = context.unit.definitions.get(name.name) or operators().get(name.name)
    if callee is None and name.name not in context.unit.missing:
        _unknown_callee(builder, step, context)
    return callee


def _unknown_callee(builder: GraphBuilder, step: tree.Call, context: Context) -> None:
    name = step.callee
    known = [*operators(), *context.unit.definitions, *joins(), "residual"]
    helps, fix = habits.foreign_call(step)
    secondary: tuple[Label, ...] = ()
    label = labelled(builder, name.name, context)
    if helps or fix:
        pass
    elif name.name in joins() or name.name == "residual":
        helps = (f"`{name.name}` is a join: write its branches in braces, `{name.name} {{ ... }}`",)
    elif name.name in context.frame.taps and not step.arguments:
        suggestion = f"`{name.name}` is a tap: write `from {name.name} {{ identity }}` for its value"
        fix = Fix(suggestion, (Edit(step.span, f"from {name.name} {{ identity }}"),))
    elif label is not None and not step.arguments:
        helps = (f"to use its value here, write `tap {name.name}` after that layer and `from {name.name} {{ ... }}`",)
        secondary = (Label(label, "this is a label, the name of a layer"),)
    elif guess := aliases().get(name.name.lower()) or builder.suggester.closest(name.name, known):
        fix = renamed(name.span, guess)
    else:
        helps = (
            f'define it with `block {name.name}(...) {{ ... }}`, or bring it in with `use "file.res" ({name.name})`',
        )
    message = f"`{name.name}` is not an operator or block"
    builder.report(catalogue.UNKNOWN_CALLEE, message, name.span, context, secondary=secondary, helps=helps, fix=fix)


def labelled(builder: GraphBuilder, name: str, context: Context) -> Span | None:
    """Where something is labelled with a name that was taken for that of a value, in the same body, block or model."""
    return builder.names.get(context.naming.prefix + name) or builder.names.get(
        f"{context.frame.path}.{name}" if context.frame.path else name
    )


def _evaluate_anyway(builder: GraphBuilder, step: tree.Call, flow: Flow, context: Context) -> None:
    """Errors inside the arguments are independent of the callee's name. Bare words are not: they depend on it."""
    for argument in step.arguments:
        if not isinstance(argument.value, tree.Name):
            evaluate(builder, argument.value, context, flow)


def _call_operator(
    builder: GraphBuilder, operator: type[Operator], step: tree.Call, flow: Flow, context: Context, label: str | None
) -> Flow:
    slots = match(builder, step.arguments, tuple(signature(operator)), operator.name, context)
    bound = None if slots is None else bind_operator(builder, operator, step, slots, context, flow)
    path = context.naming.child(operator.name) if label is None else context.naming.label(label)
    if bound is None or slots is None or flow is None:
        builder.poisoned = True
        return None
    habits.warn_of_argument_order(builder, operator, step, flow, context)
    habits.warn_of_pool_stride(builder, bound, slots, step, context)
    node = builder.add(bound, (flow,), path, step, context)
    if isinstance(node, Refusal):
        _refused(builder, node, step, slots, flow, context)
        return None
    if sources := argument_sources(slots, context):
        builder.argument_sources[path] = sources
    if (
        label is None
        and not context.naming.numbered
        and len(builder.parameters)
        and f"{path}.weight" in builder.parameters
    ):
        blocks.warn_positional(builder, step, path, context)
    if bound.cancels_bias:
        _warn_bias_before_norm(builder, bound, flow, step, context)
    return node.index


def _refused(
    builder: GraphBuilder, refusal: Refusal, step: tree.Call, slots: Slots, flow: int, context: Context
) -> None:
    """Report why an operator cannot take its input, and where that input comes from."""
    builder.poisoned = True
    at = slots[refusal.argument].span if refusal.argument in slots else step.span
    source = builder.nodes[flow]
    builder.report(
        refusal.code,
        refusal.message,
        at,
        context,
        secondary=(Label(source.span, f"this gives {source.type}"),) if source.span != at else (),
        helps=refusal.helps,
    )


def _warn_bias_before_norm(builder: GraphBuilder, norm: Operator, flow: int, step: tree.Call, context: Context) -> None:
    before = builder.nodes[flow]
    if getattr(before.operator, "bias", False):
        own = "has a bias of its own" if getattr(norm, "affine", False) else "subtracts it"
        builder.report(
            catalogue.BIAS_BEFORE_NORM,
            f"the bias does nothing: the {norm.label()} after it takes the mean away again",
            Label(before.span, "has a bias"),
            context,
            secondary=(Label(step.span, f"the {norm.label()} {own}"),),
            helps=(
                "leave out `bias = true`; if a checkpoint has it, keep it, with `# resdsl: allow W0502` on the line",
            ),
        )
