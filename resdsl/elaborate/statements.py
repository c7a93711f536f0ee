"""Statements, one after another: each takes the current value and gives the next."""

from __future__ import annotations

from typing import assert_never

from resdsl.diagnostics import Label, catalogue
from resdsl.diagnostics.suggest import renamed
from resdsl.elaborate import calls, declarations, expectations, joins, repeats, residual
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow, StageArguments, Variable, source_of
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.groups import open_group
from resdsl.elaborate.limits import COPIES_OF_WORK
from resdsl.elaborate.unroll import unroll
from resdsl.elaborate.values import UNKNOWN, kind_of, listed
from resdsl.ir.graph import Output, ScopeKind
from resdsl.ir.values import format_value
from resdsl.syntax import tree


def run_body(builder: GraphBuilder, body: tree.Body, flow: Flow, context: Context) -> Flow:
    """Carry out the statements of a body; gives the value that flows out."""
    variables = dict(context.variables)
    builder.work += len(variables) // COPIES_OF_WORK
    context = context.inside(variables=variables)
    recording = builder.recording
    if recording is not None:
        recording.enter(body, flow, context)
    for statement in body.statements:
        builder.step(statement.span, context)
        if recording is not None:
            recording.begin(statement, flow)
        match statement:
            case tree.Step():
                flow = _step(builder, statement, flow, context)
            case tree.Const():
                value = evaluate(builder, statement.value, context, flow)
                variables[statement.name.name] = Variable(value, (), source_of(statement.value, variables))
            case tree.Aux():
                _aux(builder, statement, flow, context)
            case tree.Broken():
                flow = None
                builder.poisoned = True
            case _:
                declarations.DECLARATIONS[type(statement)](builder, statement, flow, context)
        if recording is not None:
            recording.end(flow)
    if recording is not None:
        recording.leave(flow)
    return flow


def _step(builder: GraphBuilder, step: tree.Step, flow: Flow, context: Context) -> Flow:
    first = len(builder.nodes)
    label = None if step.label is None else label_text(builder, step.label, flow, context)
    result = _apply(builder, step.flow, flow, context, label)
    if step.shape is not None and result is None:
        result = expectations.stated(builder, step.shape, context)
    elif step.shape is not None and result is not None:
        expectations.annotation(builder, step.shape, step.flow, result, context)
    if builder.trace is not None:
        builder.trace.add(step.span, (flow, result), first, builder.nodes, builder.parameters, context)
    return result


def _apply(builder: GraphBuilder, step: tree.Flow, flow: Flow, context: Context, label: str | None) -> Flow:
    if isinstance(step, tree.Call):
        return calls.call(builder, step, flow, context, label)
    if isinstance(step, tree.Stage):
        return _stage(builder, step, flow, context)
    if label is not None:
        # A label before anything else makes a scope of it; what is in it is numbered unless it has labels itself.
        context = open_group(builder, context.naming.label(label), step.span, flow, context)
    result = _unlabelled(builder, step, flow, context)
    if label is not None and result is not None:
        context.scope.output = result
    return result


def _unlabelled(
    builder: GraphBuilder,
    step: tree.Group | tree.Repeat | tree.Residual | tree.Join | tree.From | tree.For | tree.If,
    flow: Flow,
    context: Context,
) -> Flow:
    match step:
        case tree.Group():
            return run_body(builder, step.body, flow, context)
        case tree.Repeat():
            return repeats.repeat(builder, step, flow, context)
        case tree.Residual():
            return residual.residual(builder, step, flow, context)
        case tree.Join():
            return joins.join(builder, step, flow, context)
        case tree.From():
            return _from(builder, step, context)
        case tree.For() | tree.If():
            for body, inside in unroll(builder, step, flow, context):
                flow = run_body(builder, body, flow, inside)
            return flow
        case _:
            assert_never(step)


def label_text(builder: GraphBuilder, label: tree.LabelTree, flow: Flow, context: Context) -> str:
    """A label with its loop values put in."""
    pieces: list[str] = []
    for part in label.parts:
        if isinstance(part, str):
            pieces.append(part)
            continue
        value = evaluate(builder, part, context, flow)
        if value is UNKNOWN:
            pieces.append("_")
        elif isinstance(value, int | str) and not isinstance(value, bool):
            pieces.append(str(value))
        else:
            message = f"a label is made of names and integers, and this is {kind_of(value)}"
            builder.report(catalogue.ARGUMENT_TYPE, message, part.span, context)
            pieces.append("_")
    return "".join(pieces)


def _stage(builder: GraphBuilder, stage: tree.Stage, flow: Flow, context: Context) -> Flow:
    label = label_text(builder, stage.label, flow, context)
    inner = open_group(builder, context.naming.label(label), stage.span, flow, context)
    inner.scope.kind = ScopeKind.STAGE
    waiting = _stage_arguments(builder, stage, flow, context)
    inner.scope.arguments = {
        argument.name.name: format_value(variable.value)
        for argument, variable in waiting.arguments
        if argument.name is not None
    }
    failed = builder.poisoned
    result = run_body(builder, stage.body, flow, inner.inside(stage=waiting))
    if waiting.arguments and not waiting.taken and builder.poisoned == failed:
        builder.report(
            catalogue.STAGE_ARGUMENTS,
            f"the stage `{label}` has arguments, but calls no block that could take them",
            waiting.arguments[0][0].span,
            context,
            helps=("the arguments of a stage go to its first block; give those of an operator in its own call",),
        )
        builder.poisoned = True
    if result is not None:
        inner.scope.output = result
    return result


def _aux(builder: GraphBuilder, line: tree.Aux, flow: Flow, context: Context) -> None:
    """A head from the current value, which stays. The value at its end is an output of its name, for training only."""
    frame = context.frame
    if frame.definition.tree.kind != "model" or frame.aux:
        message = (
            f"an `aux` cannot stand in another, and this is in `{frame.aux}`"
            if frame.aux
            else "`aux` belongs to a model, and this is a block"
        )
        helps = (f"move it after `{frame.aux}`",) if frame.aux else ("move it after the call, into the model",)
        builder.report(catalogue.MISPLACED, message, line.label.span, context, helps=helps)
        return
    if context.joined:
        message = "an `aux` cannot stand in a join or residual"
        builder.report(
            catalogue.MISPLACED, message, line.label.span, context, helps=("move it after the join or residual",)
        )
        return
    if not frame.root:
        # A model that is called like a block is its inference.
        return
    label = label_text(builder, line.label, flow, context)
    inner = open_group(builder, context.naming.label(label), line.span, flow, context)
    inner.scope.kind = ScopeKind.AUX
    taps = dict(frame.taps)
    frame.aux = label
    # The arguments of a stage around it are not for its blocks.
    result = run_body(builder, line.body, flow, inner.inside(stage=StageArguments((), taken=True)))
    frame.aux = ""
    # Taps in it are its own: nothing behind it may need its values.
    frame.taps = taps
    if result is None:
        return
    if not any(inner.scope.nodes()):
        builder.report(
            catalogue.EMPTY_AUX,
            f"the head `{label}` has no layers",
            Label(line.label.span, "nothing is computed here"),
            context,
            helps=("write its layers into the braces, from the current value on",),
        )
        builder.poisoned = True
        return
    inner.scope.output = result
    declarations.add_output(builder, Output(inner.scope.path, result, line.label.span, aux=True), context)


def _stage_arguments(builder: GraphBuilder, stage: tree.Stage, flow: Flow, context: Context) -> StageArguments:
    evaluated: list[tuple[tree.Argument, Variable]] = []
    for argument in stage.arguments:
        if argument.name is None:
            builder.report(
                catalogue.STAGE_ARGUMENTS,
                "the arguments of a stage are given by name",
                argument.span,
                context,
                helps=(f"write `stride = {argument.value.span.text}`, if that is meant",),
            )
            continue
        value = evaluate(builder, argument.value, context, flow, words=_words(argument.value))
        evaluated.append((argument, Variable(value, (), source_of(argument.value, context.variables))))
    return StageArguments(tuple(evaluated))


def _words(expression: tree.Expression) -> tuple[str, ...]:
    """A stage passes words on to a block that it does not know yet; the block checks them."""
    return (expression.name,) if isinstance(expression, tree.Name) else ()


def _from(builder: GraphBuilder, step: tree.From, context: Context) -> Flow:
    tap = context.frame.taps.get(step.tap.name)
    if tap is None:
        label = calls.labelled(builder, step.tap.name, context)
        guess = None if label else builder.suggester.closest(step.tap.name, list(context.frame.taps))
        if guess:
            helps: tuple[str, ...] = ()
        elif label:
            helps = (f"write `tap {step.tap.name}` after that layer: a tap names its value, a label its weights",)
        elif context.frame.taps:
            helps = (f"set here: {listed(context.frame.taps)}",)
        else:
            helps = (f"set it where the value is: `tap {step.tap.name}`, above, in the same block or model",)
        message = f"there is no tap `{step.tap.name}` in this {context.frame.definition.tree.kind}"
        fix = renamed(step.tap.span, guess)
        secondary = (Label(label, "this is a label"),) if label else ()
        builder.report(
            catalogue.UNKNOWN_TAP, message, step.tap.span, context, secondary=secondary, helps=helps, fix=fix
        )
        builder.poisoned = True
        run_body(builder, step.body, None, context)
        return None
    return run_body(builder, step.body, tap.value, context)
