"""From a program to the graph of one of its models."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from resdsl.diagnostics import Diagnostics, Label, Option, Text, catalogue
from resdsl.diagnostics.suggest import closest
from resdsl.elaborate import claims
from resdsl.elaborate.blocks import constants
from resdsl.elaborate.expressions import evaluate
from resdsl.elaborate.flow import run_body
from resdsl.elaborate.limits import Limits
from resdsl.elaborate.lint import lint
from resdsl.elaborate.model_arguments import model_parameters
from resdsl.elaborate.program import Defined, Program
from resdsl.elaborate.state import Frame, Naming, Place, State, TooLarge
from resdsl.elaborate.templates import Templates
from resdsl.elaborate.values import UNKNOWN, kind_of, written
from resdsl.gc_pause import collection_paused
from resdsl.ir.dims import Dim, symbol
from resdsl.ir.graph import Graph, Node, Scope, ScopeKind
from resdsl.ir.types import DType, TensorType
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
    reuse: bool = True,
) -> Graph | None:
    """The graph of a model, or ``None`` where it has mistakes; they are in ``diagnostics``.

    ``model`` names one where the file holds several. ``arguments`` are values for its parameters; a ``str`` is read
    as an expression of the language (``"3x3"``, ``"projection"``). ``input_shape`` replaces the declared shape, a
    ``str`` in it being a symbol; the file's claims speak of the declared shape, and are verified with that first. An
    ``expect`` with a plain number speaks of the parameters' defaults, and is passed over where ``arguments`` are given.
    Without ``reuse`` every call is built from its text, also where an equal one was built before: slower, same result.
    """
    limits = limits or Limits()
    defined = _choose(program, diagnostics, model)
    if defined is None:
        return None
    state = _state(program, diagnostics, limits, altered=bool(arguments), reuse=reuse)
    with _deep_recursion(), collection_paused():
        graph = _build(state, defined, arguments or {}, None)
        if graph is not None and input_shape is not None and not diagnostics.errors:
            # The warnings are those of the first time.
            found = Diagnostics()
            shape = tuple(symbol(dim) if isinstance(dim, str) else dim for dim in input_shape)
            state = _state(program, found, limits, claims=False, altered=bool(arguments), reuse=reuse)
            graph = _build(state, defined, arguments or {}, shape)
            for error in found.errors:
                diagnostics.report(error)
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
    state = _state(program, diagnostics, Limits())
    if name is not None:
        found = next((one for one in models if one.name == name), None)
        if found is None:
            guess = closest(name, [one.name for one in models])
            known = ", ".join(f"`{one.name}`" for one in models)
            helps = (f"did you mean `{guess}`?",) if guess else (f"it has {known}",) if known else ()
            state.report(catalogue.NO_MODEL, f"`{source.name}` has no model `{name}`", None, helps=helps)
        return found
    if len(models) == 1:
        return models[0]
    if models:
        known = ", ".join(f"`{one.name}`" for one in models)
        state.report(
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
            helps = (f"it defines blocks alone (`{blocks[0].name}`): bring them into a model with `use`",)
        state.report(catalogue.NO_MODEL, f"`{source.name}` has no model to build", None, helps=helps)
    return None


def _state(
    program: Program,
    diagnostics: Diagnostics,
    limits: Limits,
    *,
    claims: bool = True,
    altered: bool = False,
    reuse: bool = False,
) -> State:
    templates = Templates() if reuse else None
    return State(diagnostics, limits, program.allowances, claims, altered, run_body, templates=templates)


def _build(
    state: State, defined: Defined, arguments: Mapping[str, object], shape: tuple[Dim, ...] | None
) -> Graph | None:
    try:
        return _network(state, defined, arguments, shape)
    except TooLarge:
        return None


def _network(
    state: State, defined: Defined, arguments: Mapping[str, object], shape: tuple[Dim, ...] | None
) -> Graph | None:
    definition = defined.tree
    root = Scope(ScopeKind.MODEL, "", "", defined.name, {}, definition.name.span, [])
    frame = Frame(defined, None, "", {}, definition.name.span, None, {}, {})
    place = Place(frame, defined.unit, {}, Naming("", False), root, None, 0)
    place = place.inside(variables=constants(state, defined.unit, frame, root))
    variables = model_parameters(state, defined, arguments, place)
    if variables is None:
        return None
    root.arguments = frame.arguments = {
        parameter.name.name: written(variables[parameter.name.name].value) for parameter in definition.parameters
    }
    place = place.inside(variables=variables)
    line = _input(state, definition, place)
    if line is not None:
        type_ = _input_type(state, line, shape, place)
        if type_ is not None:
            frame.symbols = _symbols(line, type_)
            node = state.add(Input(type_), (), line.name.name, line, place)
            assert isinstance(node, Node)
            frame.value = 0
            frame.flowing = False
    flow = run_body(state, definition.body, frame.value, place)
    if flow is not None:
        root.output = flow
    if not state.outputs and not state.poisoned and not state.diagnostics.errors:
        state.report(
            catalogue.NO_OUTPUT,
            f"the model `{defined.name}` has no output",
            definition.name.span,
            helps=("write `output NAME` after the layer whose value is wanted",),
        )
    if state.poisoned or not state.nodes or not state.outputs:
        return None
    return _finish(state, defined, root)


def _finish(state: State, defined: Defined, root: Scope) -> Graph:
    graph = Graph(
        name=defined.name,
        nodes=tuple(state.nodes),
        outputs=tuple(state.outputs),
        root=root,
        parameters=state.parameters,
        input_name=state.nodes[0].path,
        preprocess=state.preprocess,
        labels=_fitting_labels(state),
    )
    if state.claims:
        claims.verify_totals(state, graph)
    if not state.diagnostics.errors:
        _warn_unneeded(state, graph)
    return graph


def _fitting_labels(state: State) -> tuple[str, ...] | None:
    """The labels; none where the outputs are vectors of other lengths, as such a model would be refused when run."""
    shapes = [state.nodes[output.node].type.shape for output in state.outputs]
    classes = {shape[1] for shape in shapes if len(shape) == 2}
    if state.labels is None or not classes or len(state.labels) in classes:
        return state.labels
    found = " or ".join(sorted(f"{count:,}" if isinstance(count, int) else f"`{count}`" for count in classes))
    state.report(
        catalogue.LABEL_COUNT,
        f"there are {len(state.labels):,} labels, and the model has {found} classes",
        Label(state.lines[tree.Labels], "these name other classes"),
        notes=("the model goes without names for its classes",),
        helps=("name a file with one label for each class, or leave the line out",),
    )
    return None


def _warn_unneeded(state: State, graph: Graph) -> None:
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
            state.report(
                catalogue.UNREACHABLE_OUTPUT,
                "no output needs this layer",
                Label(node.span, "its value goes nowhere"),
                helps=("write `output NAME` after it, or leave it out",),
            )


def _input(state: State, definition: tree.Definition, place: Place) -> tree.Input | None:
    lines = [line for line in definition.body.statements if isinstance(line, tree.Input)]
    if not lines:
        if not any(isinstance(line, tree.Broken) for line in definition.body.statements):
            state.report(
                catalogue.NO_INPUT,
                f"the model `{definition.name.name}` has no input",
                definition.name.span,
                helps=("begin it with `input image: f32[N, 3, 224, 224]`",),
            )
        state.poisoned = True
        return None
    for line in lines[1:]:
        state.report(
            catalogue.SEVERAL_INPUTS,
            "a model has one input",
            Label(line.span, "another one here"),
            place,
            secondary=(Label(lines[0].span, "the input"),),
        )
    return lines[0]


def _input_type(state: State, line: tree.Input, shape: tuple[Dim, ...] | None, place: Place) -> TensorType | None:
    if line.dtype.name != DType.F32:
        state.report(
            catalogue.UNKNOWN_TYPE,
            f"an input's elements are `f32`, and this is `{line.dtype.name}`",
            line.dtype.span,
            helps=("networks are described in 32-bit floats",),
        )
    dims = [_input_dim(state, dim, place) for dim in line.shape.dims]
    known = [dim for dim in dims if dim is not None]
    if len(known) < len(dims) or not dims:
        state.poisoned = True
        return None
    return TensorType(DType.F32, tuple(known) if shape is None else shape)


def _symbols(line: tree.Input, type_: TensorType) -> dict[str, Dim]:
    """What the symbols of an input stand for: themselves, or the sizes in their places where the shape was replaced."""
    found: dict[str, Dim] = {}
    for place, declared in enumerate(line.shape.dims):
        if isinstance(declared, tree.Name) and declared.name[:1].isupper():
            found.setdefault(declared.name, type_.shape[place] if place < type_.rank else symbol(declared.name))
    return found


def _input_dim(state: State, dim: tree.Expression, place: Place) -> Dim | None:
    """A size of the input: a number from 1, or a symbol (a name with a capital first letter)."""
    if isinstance(dim, tree.Name) and dim.name not in place.variables:
        if dim.name[:1].isupper():
            return symbol(dim.name)
        if dim.name not in place.unit.missing:
            message = f"there is no `{dim.name}` here"
            helps = (f"a size that is known when the network runs is a symbol, with a capital: `{dim.name.title()}`",)
            state.report(catalogue.UNKNOWN_NAME, message, dim.span, helps=helps)
        return None
    value = evaluate(state, dim, place, None)
    if value is UNKNOWN:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    found = f"this is {written(value) if isinstance(value, int | float) else kind_of(value)}"
    state.report(
        catalogue.ARGUMENT_VALUE,
        "a size of the input is a whole number from 1, or a symbol such as `N`",
        Label(dim.span, found),
    )
    return None
