"""From a program to the graph of one of its models."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from resdsl.diagnostics import Diagnostics, Label, Option, Text, catalogue
from resdsl.elaborate import expectations
from resdsl.elaborate.blocks import constants
from resdsl.elaborate.builder import GraphBuilder, LimitReached
from resdsl.elaborate.claims import Compare, only_claims
from resdsl.elaborate.context import Context, Frame, Naming
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.limits import Budget, Limits
from resdsl.elaborate.lint import lint
from resdsl.elaborate.model_arguments import model_parameters
from resdsl.elaborate.program import Defined, Program
from resdsl.elaborate.recording import Recording
from resdsl.elaborate.statements import run_body
from resdsl.elaborate.trace import Trace
from resdsl.elaborate.values import UNKNOWN, kind_of
from resdsl.gc_pause import collection_paused
from resdsl.ir.dims import Dim, symbol
from resdsl.ir.graph import Graph, Node, Scope, ScopeKind
from resdsl.ir.types import DType, TensorType
from resdsl.ir.values import format_value
from resdsl.ops.input import Input
from resdsl.syntax import tree


def elaborate(
    program: Program,
    diagnostics: Diagnostics,
    *,
    model: str | None = None,
    arguments: Mapping[str, object] | None = None,
    input_shape: Sequence[int | str] | None = None,
    limits: Limits | None = None,
    budget: Budget | None = None,
    compare: Compare | None = None,
    trace: Trace | None = None,
    recording: Recording | None = None,
    unexpected: Callable[[Graph], None] | None = None,
) -> Graph | None:
    """The graph of a model, or ``None`` where it has errors; they are in ``diagnostics``.

    ``model`` names one where the file holds several. ``arguments`` are values for its parameters; a ``str`` is read
    as an expression of the language (``"3x3"``, ``"projection"``). ``input_shape`` replaces the declared shape, a
    ``str`` in it being a symbol; shape annotations hold for the declared shape, and are verified with it
    first. An ``expect`` with a plain number holds for the defaults, and is skipped where ``arguments`` are given.
    ``budget`` is shared by the models of a file that are elaborated one after another: the limits hold for all of them.
    ``compare`` is called if an ``expect`` does not hold, to find out why. ``trace`` records what became of each
    statement, with the declared input shape; ``recording`` all bodies that are carried out. ``unexpected`` is called
    with a network whose only errors are shapes and totals that are not those the text states (`CLAIMS`).
    """
    limits, budget = limits or Limits(), budget or Budget()
    if budget.exhausted:
        return None
    defined = _choose(program, diagnostics, model)
    if defined is None:
        return None
    builder = _builder(program, diagnostics, limits, altered=bool(arguments), budget=budget, compare=compare)
    builder.trace = trace
    if recording is not None:
        recording.attach(builder)
    with _deep_recursion(), collection_paused():
        graph = _build(builder, defined, arguments or {}, None)
        if graph is not None and input_shape is not None and only_claims(diagnostics):
            # The warnings are those of the first time.
            repeated = Diagnostics()
            shape = tuple(symbol(dim) if isinstance(dim, str) else dim for dim in input_shape)
            builder = _builder(program, repeated, limits, claims=False, altered=bool(arguments))
            if recording is not None:
                recording.attach(builder)
            graph = _build(builder, defined, arguments or {}, shape)
            for error in repeated.errors:
                diagnostics.report(error)
    if graph is not None and unexpected is not None and diagnostics.errors and only_claims(diagnostics):
        unexpected(graph)
    if not budget.linted:
        budget.linted = not diagnostics.errors
        lint(program.main.module, diagnostics, program.allowances)
    return None if diagnostics.errors else graph


@contextmanager
def _deep_recursion() -> Iterator[None]:
    """Room for bodies in bodies up to the limit of depth, at some ten Python calls each."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 20_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _choose(program: Program, diagnostics: Diagnostics, name: str | None) -> Defined | None:
    models = program.main.models
    source = program.main.module.source
    builder = _builder(program, diagnostics, Limits())
    if name is not None:
        chosen = next((one for one in models if one.name == name), None)
        if chosen is None:
            guess = builder.suggester.closest(name, [one.name for one in models])
            known = ", ".join(f"`{one.name}`" for one in models)
            helps = (f"did you mean `{guess}`?",) if guess else (f"it has {known}",) if known else ()
            builder.report(catalogue.NO_MODEL, f"`{source.name}` has no model `{name}`", None, helps=helps)
        return chosen
    if len(models) == 1:
        return models[0]
    if models:
        known = ", ".join(f"`{one.name}`" for one in models)
        builder.report(
            catalogue.NO_MODEL,
            f"`{source.name}` has {len(models)} models: {known}",
            Label(models[1].tree.name.span, "another one"),
            secondary=(Label(models[0].tree.name.span, "one"),),
            helps=(Text("choose one with ", Option("model", models[0].name)),),
        )
        return None
    if not diagnostics.errors:
        blocks = [one for one in program.main.definitions.values() if one.unit is program.main]
        helps = ("a network is `model NAME { input image: f32[N, 3, 224, 224] ... output logits }`",)
        if blocks:
            helps = (f"it only defines blocks (`{blocks[0].name}`): bring them into a model with `use`",)
        builder.report(catalogue.NO_MODEL, f"`{source.name}` has no model to build", None, helps=helps)
    return None


def _builder(
    program: Program,
    diagnostics: Diagnostics,
    limits: Limits,
    *,
    claims: bool = True,
    altered: bool = False,
    budget: Budget | None = None,
    compare: Compare | None = None,
) -> GraphBuilder:
    return GraphBuilder(
        diagnostics,
        limits,
        program.allowances,
        claims,
        altered,
        run_body,
        budget=budget or Budget(),
        compare=compare,
    )


def _build(
    builder: GraphBuilder, defined: Defined, arguments: Mapping[str, object], shape: tuple[Dim, ...] | None
) -> Graph | None:
    try:
        return _network(builder, defined, arguments, shape)
    except LimitReached:
        return None


def _network(
    builder: GraphBuilder, defined: Defined, arguments: Mapping[str, object], shape: tuple[Dim, ...] | None
) -> Graph | None:
    definition = defined.tree
    root = Scope(ScopeKind.MODEL, "", "", defined.name, {}, definition.name.span, [])
    frame = Frame(defined, None, "", {}, definition.name.span, None, {}, {})
    context = Context(frame, defined.unit, {}, Naming("", False), root, None, 0)
    context = context.inside(variables=constants(builder, defined.unit, frame, root))
    variables = model_parameters(builder, defined, arguments, context)
    if variables is None:
        return None
    root.arguments = frame.arguments = {
        parameter.name.name: format_value(variables[parameter.name.name].value) for parameter in definition.parameters
    }
    context = context.inside(variables=variables)
    line = _input(builder, definition, context)
    if line is not None:
        type_ = _input_type(builder, line, shape, context)
        if type_ is not None:
            frame.symbols = _symbols(line, type_)
            node = builder.add(Input(type_), (), line.name.name, line, context)
            assert isinstance(node, Node)
            frame.value = 0
            frame.flowing = False
    flow = run_body(builder, definition.body, frame.value, context)
    if flow is not None:
        root.output = flow
    has_output = not all(output.aux for output in builder.outputs.values())
    if not has_output and not builder.poisoned and not builder.diagnostics.errors:
        builder.report(
            catalogue.NO_OUTPUT,
            f"the model `{defined.name}` has no output",
            definition.name.span,
            helps=("write `output NAME` after the layer whose value is wanted",),
        )
    if builder.poisoned or not builder.nodes or not has_output:
        return None
    return _finish(builder, defined, root)


def _finish(builder: GraphBuilder, defined: Defined, root: Scope) -> Graph:
    graph = Graph(
        name=defined.name,
        nodes=tuple(builder.nodes),
        outputs=tuple(sorted(builder.outputs.values(), key=lambda output: output.aux)),
        root=root,
        parameters=builder.parameters,
        input_name=builder.nodes[0].path,
        preprocess=builder.preprocess,
        labels=_fitting_labels(builder),
        argument_sources=builder.argument_sources,
    )
    if builder.claims:
        expectations.verify_totals(builder, graph)
    if not builder.diagnostics.errors:
        _warn_unneeded(builder, graph)
    return graph


def _fitting_labels(builder: GraphBuilder) -> tuple[str, ...] | None:
    """The labels; none where the outputs are vectors of other lengths, as such a model would be refused when run."""
    shapes = [builder.nodes[output.node].type.shape for output in builder.outputs.values() if not output.aux]
    classes = {shape[1] for shape in shapes if len(shape) == 2}
    if builder.labels is None or not classes or len(builder.labels) in classes:
        return builder.labels
    expected = " or ".join(sorted(f"{count:,}" if isinstance(count, int) else f"`{count}`" for count in classes))
    builder.report(
        catalogue.LABEL_COUNT,
        f"there are {len(builder.labels):,} labels, and the model has {expected} classes",
        Label(builder.lines[tree.Labels], "these name other classes"),
        notes=("the model goes without names for its classes",),
        helps=("name a file with one label for each class, or leave the line out",),
    )
    return None


def _warn_unneeded(builder: GraphBuilder, graph: Graph) -> None:
    """Warn of layers whose value reaches no output: of the last of each such path, where an output may be missing."""
    needed: set[int] = set()
    stack = [output.node for output in graph.outputs]
    while stack:
        index = stack.pop()
        if index not in needed:
            needed.add(index)
            stack.extend(graph.nodes[index].inputs)
    if len(needed) == len(graph.nodes):
        return
    feeding = {index for node in graph.nodes for index in node.inputs}
    for node in graph.nodes:
        if node.index not in needed and node.index not in feeding:
            builder.report(
                catalogue.UNREACHABLE_OUTPUT,
                "no output needs this layer",
                Label(node.span, "its value goes nowhere"),
                helps=("write `output NAME` after it, or leave it out",),
            )


def _input(builder: GraphBuilder, definition: tree.Definition, context: Context) -> tree.Input | None:
    lines = [line for line in definition.body.statements if isinstance(line, tree.Input)]
    if not lines:
        if not any(isinstance(line, tree.Broken) for line in definition.body.statements):
            builder.report(
                catalogue.NO_INPUT,
                f"the model `{definition.name.name}` has no input",
                definition.name.span,
                helps=("begin it with `input image: f32[N, 3, 224, 224]`",),
            )
        builder.poisoned = True
        return None
    for line in lines[1:]:
        builder.report(
            catalogue.SEVERAL_INPUTS,
            "a model has one input",
            Label(line.span, "another one here"),
            context,
            secondary=(Label(lines[0].span, "the input"),),
        )
    return lines[0]


def _input_type(
    builder: GraphBuilder, line: tree.Input, shape: tuple[Dim, ...] | None, context: Context
) -> TensorType | None:
    if line.dtype.name != DType.F32:
        builder.report(
            catalogue.UNKNOWN_TYPE,
            f"an input's elements are `f32`, and this is `{line.dtype.name}`",
            line.dtype.span,
            helps=("networks are described in 32-bit floats",),
        )
    dims = [_input_dim(builder, dim, context) for dim in line.shape.dims]
    known = [dim for dim in dims if dim is not None]
    if len(known) < len(dims) or not dims:
        builder.poisoned = True
        return None
    return TensorType(DType.F32, tuple(known) if shape is None else shape)


def _symbols(line: tree.Input, type_: TensorType) -> dict[str, Dim]:
    """What the symbols of an input stand for: themselves, or the sizes in their places where the shape was replaced."""
    sizes: dict[str, Dim] = {}
    for axis, declared in enumerate(line.shape.dims):
        if isinstance(declared, tree.Name) and declared.name[:1].isupper():
            sizes.setdefault(declared.name, type_.shape[axis] if axis < type_.rank else symbol(declared.name))
    return sizes


def _input_dim(builder: GraphBuilder, dim: tree.Expression, context: Context) -> Dim | None:
    """A size of the input: a number from 1, or a symbol (a name with a capital first letter)."""
    if isinstance(dim, tree.Name) and dim.name not in context.variables:
        if dim.name[:1].isupper():
            return symbol(dim.name)
        if dim.name not in context.unit.missing:
            message = f"there is no `{dim.name}` here"
            helps = (f"a size that is known when the network runs is a symbol, with a capital: `{dim.name.title()}`",)
            builder.report(catalogue.UNKNOWN_NAME, message, dim.span, helps=helps)
        return None
    value = evaluate(builder, dim, context, None)
    if value is UNKNOWN:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    label = f"this is {format_value(value) if isinstance(value, int | float) else kind_of(value)}"
    builder.report(
        catalogue.ARGUMENT_VALUE,
        "a size of the input is an integer from 1, or a symbol such as `N`",
        Label(dim.span, label),
    )
    return None
