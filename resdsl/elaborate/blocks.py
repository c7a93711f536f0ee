"""Calls of blocks and models: their parameters are bound, and the nodes of their body are built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from resdsl.diagnostics import Label, catalogue
from resdsl.elaborate.arguments import Given, Slots, bind_definition, match
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow, Frame, Naming, Variable
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.program import Defined, Unit
from resdsl.elaborate.replay import Built, Mark, built
from resdsl.elaborate.values import listed
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Scope, ScopeKind
from resdsl.ir.types import TensorType
from resdsl.ir.values import format_value
from resdsl.syntax import tree

_CHARACTERS_A_STEP = 100


@dataclass(frozen=True, slots=True)
class Bound:
    """What a block is called with: the variables of its body, how its arguments are written, and which were given."""

    variables: dict[str, Variable]
    arguments: Mapping[str, str]
    given: tuple[str, ...]

    @property
    def steps(self) -> int:
        """What a call keeps of its arguments counts like statements: many calls of many arguments would fill memory."""
        return len(self.arguments) + sum(map(len, self.arguments.values())) // _CHARACTERS_A_STEP


class Repetition:
    """The calls of one ``3 x block(...)``, all in one place: only what flows in can make them differ."""

    def __init__(self) -> None:
        self._bound: dict[TensorType, Bound] = {}
        self.built: dict[TensorType, Built] = {}
        """What they built, by the type of what flowed in, if it can be copied."""

    def known(self, builder: GraphBuilder, flow: int) -> Bound | None:
        """What was bound before for a value of the same type."""
        return self._bound.get(builder.nodes[flow].type)

    def keep(self, builder: GraphBuilder, flow: int, bound: Bound) -> None:
        self._bound[builder.nodes[flow].type] = bound


def call_block(
    builder: GraphBuilder,
    defined: Defined,
    step: tree.Call,
    flow: Flow,
    context: Context,
    label: str | None,
    repetition: Repetition | None = None,
) -> Flow:
    """Build what a block or model consists of, in a scope of its own."""
    builder.step(step.span, context)
    if _calls_itself(builder, defined, step, context):
        return None
    path = context.naming.child(defined.name) if label is None else context.naming.label(label)
    first = len(builder.nodes)
    result = _enter(builder, defined, step, flow, context, path, repetition)
    if result is None:
        builder.poisoned = True
        return None
    if label is None and not context.naming.numbered and _has_weights(builder, first):
        warn_positional(builder, step, path, context)
    return result


def _enter(
    builder: GraphBuilder,
    defined: Defined,
    step: tree.Call,
    flow: Flow,
    context: Context,
    path: str,
    repetition: Repetition | None,
) -> Flow:
    outer = context.frame
    frame = Frame(defined, outer, path, {}, step.span, flow, outer.defaults, outer.symbols)
    kind = ScopeKind.MODEL if defined.tree.kind == "model" else ScopeKind.BLOCK
    scope = Scope(kind, path.removeprefix(context.naming.prefix), path, defined.name, {}, step.span, [])
    inner = Context(frame, defined.unit, {}, Naming(f"{path}.", False), scope, None, context.depth + 1, context.joined)
    bound = repetition.known(builder, flow) if repetition is not None and flow is not None else None
    if bound is None:
        bound = _bind(builder, defined, step, flow, context, inner, repetition)
        if bound is None:
            return None
    frame.arguments = scope.arguments = bound.arguments
    scope.given = bound.given
    builder.budget.steps += bound.steps
    is_new = builder.claim_name(path, step.span, context)
    inner = inner.inside(variables=bound.variables)
    if flow is None:
        # What does not depend on the value that flows in is checked all the same.
        builder.run_body(builder, defined.tree.body, None, inner)
        return None
    context.scope.children.append(scope)
    if defined.tree.kind == "model" and not _accepts(builder, defined, step, flow, frame, context):
        return None
    scope.input = flow
    if repetition is not None and is_new and builder.recording is None:
        result = _build_or_copy(builder, defined, flow, inner, repetition)
    else:
        result = builder.run_body(builder, defined.tree.body, flow, inner)
    if result is not None:
        scope.output = result
    return result


def _build_or_copy(builder: GraphBuilder, defined: Defined, flow: int, inner: Context, repetition: Repetition) -> Flow:
    type_ = builder.nodes[flow].type
    known = repetition.built.get(type_)
    if known is not None and known.fits(builder):
        return known.again(builder, inner.scope, flow)
    if repetition.known(builder, flow) is None:
        return builder.run_body(builder, defined.tree.body, flow, inner)
    mark = Mark(builder)
    result = builder.run_body(builder, defined.tree.body, flow, inner)
    found = built(builder, mark, inner.scope, flow, result)
    if found is not None:
        repetition.built[type_] = found
    return result


def _bind(
    builder: GraphBuilder,
    defined: Defined,
    step: tree.Call,
    flow: Flow,
    context: Context,
    inner: Context,
    repetition: Repetition | None,
) -> Bound | None:
    reports = builder.reports
    slots = match(builder, step.arguments, defined.parameters, defined.name, context)
    if slots is None:
        return None
    given = tuple(name for name in defined.parameters if name in slots)
    # What the stage passes is for this call alone.
    is_first = context.stage is not None and not context.stage.taken
    if is_first:
        _take_stage_arguments(builder, slots, defined, step, context)
    inner = inner.inside(variables=constants(builder, defined.unit, inner.frame, inner.scope))
    variables = bind_definition(builder, defined, step.span, slots, context, flow, inner)
    if variables is None:
        return None
    bound = Bound(variables, {name: format_value(variables[name].value) for name in defined.parameters}, given)
    if repetition is not None and flow is not None and not is_first and builder.reports == reports:
        repetition.keep(builder, flow, bound)
    return bound


def _calls_itself(builder: GraphBuilder, defined: Defined, step: tree.Call, context: Context) -> bool:
    if defined not in context.frame.inside:
        return False
    builder.poisoned = True
    builder.report(
        catalogue.RECURSIVE_BLOCK,
        f"`{defined.name}` is called inside itself",
        step.span,
        context,
        secondary=(Label(defined.tree.name.span, "defined here"),),
        helps=("repeat it with `3 x block(...)` or `for i in 1..3 { ... }`",),
    )
    return True


def _take_stage_arguments(
    builder: GraphBuilder, slots: Slots, defined: Defined, step: tree.Call, context: Context
) -> None:
    """Give the arguments of the ``stage`` around to this call, which is the first one in it."""
    stage, names = context.stage, defined.parameters
    assert stage is not None
    stage.taken = True
    for argument, variable in stage.arguments:
        if argument.name is None:
            continue
        name = argument.name.name
        if name not in names:
            guess = builder.suggester.closest(name, names)
            builder.report(
                catalogue.STAGE_ARGUMENTS,
                f"the stage passes `{name}` to its first block, and `{defined.name}` takes no `{name}`",
                Label(argument.span, "passed here"),
                context,
                secondary=(Label(step.span, "the first block of the stage"),),
                helps=(
                    f"did you mean `{guess}`?"
                    if guess
                    else f"`{defined.name}` takes {listed(names) or 'no arguments'}",
                ),
            )
        elif name in slots:
            builder.report(
                catalogue.DUPLICATE_ARGUMENT,
                f"`{name}` is given twice: by the stage and by the call",
                Label(slots[name].span, "here"),
                context,
                secondary=(Label(argument.span, "and by the stage"),),
            )
        else:
            slots[name] = Given(argument.span, None, variable.value, variable.source)


def constants(builder: GraphBuilder, unit: Unit, frame: Frame, scope: Scope) -> dict[str, Variable]:
    """The consts at the top of a file, computed in order."""
    key = (unit, tuple(frame.symbols.items()))
    known = builder.constants.get(key)
    if known is None:
        known = builder.constants[key] = {}
        for name, const in unit.consts.items():
            context = Context(frame, unit, known, Naming("", False), scope, None, 0)
            builder.step(const.span, context)
            known[name] = Variable(evaluate(builder, const.value, context, None))
    return known


def _accepts(
    builder: GraphBuilder, defined: Defined, step: tree.Call, flow: int, frame: Frame, context: Context
) -> bool:
    """Whether the current value is what a called model declares as its input; binds its symbols."""
    declared = next((line for line in defined.tree.body.statements if isinstance(line, tree.Input)), None)
    if declared is None:
        return True
    value = builder.nodes[flow].type
    bound: dict[str, Dim] = {}
    fits = len(declared.shape.dims) == value.rank
    for wanted, actual in zip(declared.shape.dims, value.shape, strict=False):
        if isinstance(wanted, tree.Name):
            fits = fits and bound.setdefault(wanted.name, actual) == actual
        elif isinstance(wanted, tree.Number):
            fits = fits and wanted.value == actual
    if not fits:
        builder.report(
            catalogue.INPUT_SHAPE,
            f"`{defined.name}` takes {declared.shape.span.text}, and the current value is {value}",
            step.span,
            context,
            secondary=(Label(declared.span, "declared here"),),
        )
        builder.poisoned = True
        return False
    frame.symbols = {**frame.symbols, **bound}
    return True


def _has_weights(builder: GraphBuilder, first: int) -> bool:
    types = (tuple(builder.nodes[index].type for index in node.inputs) for node in builder.nodes[first:])
    pairs = zip(builder.nodes[first:], types, strict=True)
    return any(node.operator.parameters(*inputs) for node, inputs in pairs)


def warn_positional(builder: GraphBuilder, step: tree.Tree, path: str, context: Context) -> None:
    """Warn of weights whose name depends on what stands before them."""
    name = path.rpartition(".")[2]
    builder.report(
        catalogue.POSITIONAL_NAME,
        f"this layer has no label, so its weights are named by its position: `{name}`",
        Label(step.span),
        context,
        helps=(f"write `{name}: ...`: a label keeps the name when layers are added or removed before it",),
    )
