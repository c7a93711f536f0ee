"""Calls: an operator becomes a node, a block or model the nodes of its body; repeats are calls one after another."""

from __future__ import annotations

from resdsl.diagnostics import Label, catalogue
from resdsl.diagnostics.suggest import closest, renamed
from resdsl.elaborate.arguments import Given, Slots, bind_definition, bind_operator, match
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.program import Defined, Unit
from resdsl.elaborate.state import Flow, Frame, Naming, Place, State, Variable
from resdsl.elaborate.values import UNKNOWN, kind_of, written
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Scope, ScopeKind
from resdsl.ir.operator import Operator, Refusal
from resdsl.ops import joins, operators
from resdsl.ops.signature import signature
from resdsl.syntax import tree

BATCH_NORM = "bn"

FOREIGN_NAMES = {
    "adaptiveavgpool2d": "avgpool",
    "avg_pool": "avgpool",
    "avgpool2d": "avgpool",
    "batch_norm": "bn",
    "batchnorm": "bn",
    "batchnorm2d": "bn",
    "conv2d": "conv",
    "convolution": "conv",
    "dense": "linear",
    "fc": "linear",
    "inner_product": "linear",
    "max_pool": "maxpool",
    "maxpool2d": "maxpool",
    "swish": "silu",
}
"""What other libraries call our operators, as far as it is too far away for a typing mistake."""


def call(state: State, step: tree.Call, flow: Flow, place: Place, label: str | None) -> Flow:
    """Apply an operator, block or model to the current value."""
    callee = resolve(state, step.callee, place)
    if callee is None:
        _evaluate_anyway(state, step, flow, place)
        state.poisoned = True
        return None
    if isinstance(callee, Defined):
        return _call_definition(state, callee, step, flow, place, label)
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
    for _ in range(count):
        state.step(step.span, place)
        flow = call(state, step.call, flow, place, None)
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
    guess = FOREIGN_NAMES.get(name.name.lower()) or closest(name.name, known)
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


# --- operators -------------------------------------------------------------------------------------------------------


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
        _warn_positional(state, step, path, place)
    if operator.name == BATCH_NORM:
        _warn_bias_before_norm(state, flow, step, place)
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


def _warn_positional(state: State, step: tree.Tree, path: str, place: Place) -> None:
    name = path.rpartition(".")[2]
    state.report(
        catalogue.POSITIONAL_NAME,
        f"the weights of this layer are called `{name}` by their position",
        Label(step.span, "no label"),
        place,
        helps=(f"label it, so that an edit above cannot rename its weights: `{name}: ...`",),
    )


def _warn_bias_before_norm(state: State, flow: int, step: tree.Call, place: Place) -> None:
    before = state.nodes[flow]
    if getattr(before.operator, "bias", False):
        state.report(
            catalogue.BIAS_BEFORE_NORM,
            "the bias does nothing: the batch norm after it takes the mean away again",
            Label(before.span, "has a bias"),
            place,
            secondary=(Label(step.span, "the batch norm has a bias of its own"),),
            helps=("leave out `bias = true`",),
        )


# --- blocks and models -----------------------------------------------------------------------------------------------


def _call_definition(
    state: State, defined: Defined, step: tree.Call, flow: Flow, place: Place, label: str | None
) -> Flow:
    state.step(step.span, place)
    if _calls_itself(state, defined, step, place):
        return None
    names = tuple(parameter.name.name for parameter in defined.tree.parameters)
    slots = match(state, step.arguments, names, defined.name, place)
    given = tuple(name for name in names if slots and name in slots)
    if slots is not None:
        _take_stage_arguments(state, slots, names, defined, step, place)
    path = place.naming.child(defined.name) if label is None else place.naming.label(label)
    first = len(state.nodes)
    result = None if slots is None else _enter(state, defined, step, flow, place, path, slots, given)
    if result is None:
        state.poisoned = True
        return None
    if label is None and not place.naming.numbered and _has_weights(state, first):
        _warn_positional(state, step, path, place)
    return result


def _calls_itself(state: State, defined: Defined, step: tree.Call, place: Place) -> bool:
    frame: Frame | None = place.frame
    while frame is not None:
        if frame.definition is defined:
            state.poisoned = True
            state.report(
                catalogue.RECURSIVE_BLOCK,
                f"`{defined.name}` is called inside itself",
                step.span,
                place,
                secondary=(Label(defined.tree.name.span, "defined here"),),
                helps=("say how often with `3 x block(...)` or `for i in 1..3 { ... }`",),
            )
            return True
        frame = frame.parent
    return False


def _take_stage_arguments(
    state: State, slots: Slots, names: tuple[str, ...], defined: Defined, step: tree.Call, place: Place
) -> None:
    """Give the arguments of the ``stage`` around to this call, if it is the first one in it."""
    stage = place.stage
    if stage is None or stage.taken:
        return
    stage.taken = True
    for argument, value in stage.arguments:
        if argument.name is None:
            continue
        name = argument.name.name
        if name not in names:
            guess = closest(name, names)
            state.report(
                catalogue.STAGE_ARGUMENTS,
                f"the stage passes `{name}` to its first block, and `{defined.name}` takes no `{name}`",
                Label(argument.span, "passed here"),
                place,
                secondary=(Label(step.span, "the first block of the stage"),),
                helps=(f"did you mean `{guess}`?" if guess else f"`{defined.name}` takes {_listed(names)}",),
            )
        elif name in slots:
            state.report(
                catalogue.DUPLICATE_ARGUMENT,
                f"`{name}` is given twice: by the stage and by the call",
                Label(slots[name].span, "here"),
                place,
                secondary=(Label(argument.span, "and by the stage"),),
            )
        else:
            slots[name] = Given(argument.span, None, value)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "no arguments"


_CHARACTERS_A_STEP = 100


def _enter(
    state: State,
    defined: Defined,
    step: tree.Call,
    flow: Flow,
    place: Place,
    path: str,
    slots: Slots,
    given: tuple[str, ...],
) -> Flow:
    outer = place.frame
    frame = Frame(defined, outer, path, {}, step.span, flow, outer.defaults, outer.symbols)
    kind = ScopeKind.MODEL if defined.tree.kind == "model" else ScopeKind.BLOCK
    scope = Scope(kind, path.removeprefix(place.naming.prefix), path, defined.name, {}, step.span, [], given=given)
    inner = Place(
        frame,
        defined.unit,
        constants(state, defined.unit, frame, scope),
        Naming(f"{path}.", False),
        scope,
        None,
        place.depth + 1,
    )
    variables = bind_definition(state, defined, step.span, slots, place, flow, inner)
    if variables is None:
        return None
    arguments = {
        parameter.name.name: written(variables[parameter.name.name].value) for parameter in defined.tree.parameters
    }
    frame.arguments = scope.arguments = arguments
    # What each call keeps of its arguments counts like statements, or many calls of many arguments would fill memory.
    state.steps += len(arguments) + sum(map(len, arguments.values())) // _CHARACTERS_A_STEP
    state.claim_name(path, step.span, place)
    if flow is None:
        # What does not depend on the value that flows in is checked all the same.
        state.run_body(state, defined.tree.body, None, inner.inside(variables=variables))
        return None
    place.scope.children.append(scope)
    if defined.tree.kind == "model" and not _accepts(state, defined, step, flow, frame, place):
        return None
    scope.input = flow
    result = state.run_body(state, defined.tree.body, flow, inner.inside(variables=variables))
    if result is not None:
        scope.output = result
    return result


def constants(state: State, unit: Unit, frame: Frame, scope: Scope) -> dict[str, Variable]:
    """The consts at the top of a file, computed in order."""
    known: dict[str, Variable] = {}
    for name, const in unit.consts.items():
        place = Place(frame, unit, known, Naming("", False), scope, None, 0)
        known[name] = Variable(evaluate(state, const.value, place, None))
    return known


def _accepts(state: State, defined: Defined, step: tree.Call, flow: int, frame: Frame, place: Place) -> bool:
    """Whether the current value is what a called model declares as its input; binds its symbols."""
    declared = next((line for line in defined.tree.body.statements if isinstance(line, tree.Input)), None)
    if declared is None:
        return True
    value = state.nodes[flow].type
    bound: dict[str, Dim] = {}
    fits = len(declared.shape.dims) == value.rank
    for wanted, found in zip(declared.shape.dims, value.shape, strict=False):
        if isinstance(wanted, tree.Name):
            fits = fits and bound.setdefault(wanted.name, found) == found
        elif isinstance(wanted, tree.Number):
            fits = fits and wanted.value == found
    if not fits:
        state.report(
            catalogue.INPUT_SHAPE,
            f"`{defined.name}` takes {declared.shape.span.text}, and the current value is {value}",
            step.span,
            place,
            secondary=(Label(declared.span, "declared here"),),
        )
        state.poisoned = True
        return False
    frame.symbols = {**frame.symbols, **bound}
    return True


def _has_weights(state: State, first: int) -> bool:
    types = (tuple(state.nodes[index].type for index in node.inputs) for node in state.nodes[first:])
    pairs = zip(state.nodes[first:], types, strict=True)
    return any(node.operator.parameters(*inputs) for node, inputs in pairs)
