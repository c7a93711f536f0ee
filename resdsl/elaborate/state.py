"""What an elaboration carries along: the graph under construction, and the place where a statement stands."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, NoReturn

from resdsl.diagnostics import Call, Code, Diagnostic, Diagnostics, Fix, Label, Span, catalogue
from resdsl.elaborate.allowances import Allowances
from resdsl.elaborate.limits import Limits, raise_limit
from resdsl.elaborate.program import Defined, Unit
from resdsl.ir.application import Application, distinct
from resdsl.ir.dims import Dim, lower_bound, nesting
from resdsl.ir.graph import Node, Output, Parameter, Scope
from resdsl.ir.operator import Operator, Refusal
from resdsl.ir.preprocess import Preprocess
from resdsl.ir.types import TensorType
from resdsl.syntax import tree

if TYPE_CHECKING:
    from resdsl.elaborate.templates import Templates

Flow = int | None
"""The current value: the index of its node, or ``None`` where a mistake that has been told makes it unknown."""


_MOST_DIVISIONS = 60
"""In a symbolic size, one inside the other. Halving merges, so that no network comes near."""


class TooLarge(Exception):
    """A limit is reached; the diagnostic has been reported."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A parameter, const or loop variable. ``words`` are the bare words that may be compared with it."""

    value: object
    words: tuple[str, ...] = ()


@dataclass(slots=True)
class Naming:
    """Gives names to what is built in one scope.

    A labelled group is ``numbered``: what has no label is called by its position, as in a list. In the body of a block
    or model it is called by its own name: ``conv``, then ``conv_2``.
    """

    prefix: str
    numbered: bool
    position: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def label(self, label: str) -> str:
        """The path of a labelled child."""
        self.position += 1
        return self.prefix + label

    def child(self, name: str) -> str:
        """The path of a child without a label."""
        if not self.numbered:
            return self.named(name)
        self.position += 1
        return f"{self.prefix}{self.position - 1}"

    def named(self, name: str) -> str:
        """The path of what is never numbered: the node of a join."""
        count = self.counts[name] = self.counts.get(name, 0) + 1
        return f"{self.prefix}{name}" if count == 1 else f"{self.prefix}{name}_{count}"


@dataclass(frozen=True, slots=True)
class TapPoint:
    value: Flow
    span: Span


@dataclass(slots=True)
class Frame:
    """One call of a block or model.

    ``value`` is what flowed in, ``defaults`` are the operators' arguments that ``default`` lines have set, by operator
    and argument; ``symbols`` the sizes that the symbols of the input stand for.
    """

    definition: Defined
    parent: Frame | None
    path: str
    arguments: Mapping[str, str]
    span: Span
    value: Flow
    defaults: Mapping[str, Mapping[str, object]]
    symbols: Mapping[str, Dim]
    taps: dict[str, TapPoint] = field(default_factory=dict)
    flowing: bool = False
    """Whether a layer has been built already."""
    inside: tuple[Defined, ...] = ()
    """What is being called: the model, the blocks around this call, and its own."""

    def __post_init__(self) -> None:
        self.inside = (*(self.parent.inside if self.parent else ()), self.definition)

    @property
    def root(self) -> bool:
        return self.parent is None

    def chain(self) -> tuple[Call, ...]:
        """The calls that led here, the innermost first; the model itself is not a call."""
        links: list[Call] = []
        frame: Frame | None = self
        while frame is not None and not frame.root:
            arguments = ", ".join(f"{name} = {value}" for name, value in frame.arguments.items())
            text = f"{frame.definition.name}({arguments})" if arguments else frame.definition.name
            links.append(Call(frame.path, text, frame.span))
            frame = frame.parent
        return tuple(links)


@dataclass(slots=True)
class StageArguments:
    """What a ``stage`` was given, waiting for the first block called in it."""

    arguments: tuple[tuple[tree.Argument, object], ...]
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement stands."""

    frame: Frame
    unit: Unit
    variables: Mapping[str, Variable]
    naming: Naming
    scope: Scope
    stage: StageArguments | None
    depth: int

    def inside(
        self,
        *,
        variables: Mapping[str, Variable] | None = None,
        naming: Naming | None = None,
        scope: Scope | None = None,
        stage: StageArguments | None = None,
    ) -> Place:
        """One body further in, with what changes there."""
        return Place(
            self.frame,
            self.unit,
            self.variables if variables is None else variables,
            naming or self.naming,
            scope or self.scope,
            stage or self.stage,
            self.depth + 1,
        )


@dataclass(slots=True)
class State:
    """The graph under construction and the mistakes found so far."""

    diagnostics: Diagnostics
    limits: Limits
    allowances: Allowances
    claims: bool
    """Whether shape annotations and expectations are verified (not when the input was replaced)."""
    altered: bool
    """Whether arguments were given for the model's parameters, so that it is not the network the file speaks of."""
    run_body: Callable[[State, tree.Body, Flow, Place], Flow]
    nodes: list[Node] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    names: dict[str, Span] = field(default_factory=dict)
    expectations: list[tuple[tree.Expect, object]] = field(default_factory=list)
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None
    lines: dict[type[tree.Tree], Span] = field(default_factory=dict)
    """Where the lines stand that a model has once."""
    steps: int = 0
    reports: int = 0
    """How often something was told."""
    poisoned: bool = False
    """Whether some value became unknown, so that totals say nothing."""
    applied: dict[Hashable, Application] = field(default_factory=dict)
    """What has been inferred already, by operator and types."""
    types: dict[TensorType, TensorType] = field(default_factory=dict)
    """The one object for each type."""
    templates: Templates | None = None
    """The calls that were built before; ``None`` where every one is built from its text."""

    def report(
        self,
        code: Code,
        message: str,
        at: Span | Label | None,
        place: Place | None = None,
        *,
        secondary: Sequence[Label] = (),
        notes: Sequence[str] = (),
        helps: Sequence[str] = (),
        fix: Fix | None = None,
    ) -> None:
        primary = Label(at) if isinstance(at, Span) else at
        if self.allowances.silence(code, primary.span if primary else None):
            return
        self.reports += 1
        chain = place.frame.chain() if place else ()
        self.diagnostics.report(
            Diagnostic(code, message, primary, tuple(secondary), chain, tuple(notes), tuple(helps), fix)
        )

    def step(self, at: Span, place: Place) -> None:
        """Count one statement, and stop where the specification has become too large."""
        self.steps += 1
        if self.steps > self.limits.steps:
            self.too_large(f"more than {self.limits.steps:,} statements are carried out", at, place, "steps")
        if place.depth > self.limits.depth:
            self.too_large(f"calls and braces are nested more than {self.limits.depth} deep", at, place, "depth")

    def too_large(self, message: str, at: Span, place: Place, limit: str) -> NoReturn:
        """Tell that a limit is reached, and stop."""
        self.report(catalogue.LIMIT, message, at, place, helps=(raise_limit(limit),))
        raise TooLarge

    def add(
        self, operator: Operator, inputs: tuple[int, ...], path: str, call: tree.Tree, place: Place
    ) -> Node | Refusal:
        """Append a node; a refusal of the operator comes back for the caller to tell where it happened."""
        types = tuple([self.nodes[index].type for index in inputs])
        key = (distinct(operator), types)
        applied = self.applied.get(key)
        if applied is None:
            try:
                result = operator.infer(*types)
            except Refusal as refusal:
                return refusal
            self._bound(result, call.span, place)
            applied = Application(operator, types, self.types.setdefault(result, result))
            for spec in applied.parameters:
                self._bound(TensorType(spec.dtype, spec.shape), call.span, place)
            self.applied[key] = applied
        if len(self.nodes) > self.limits.nodes:
            self.too_large(f"the network has more than {self.limits.nodes:,} operators", call.span, place, "nodes")
        # The operator of the first of its kind, so that equal ones are one object.
        node = Node(len(self.nodes), applied.operator, inputs, applied.result, path, call.span)
        is_new = self.claim_name(path, call.span, place)
        for spec in applied.parameters:
            name = f"{path}.{spec.name}"
            if is_new:
                self.claim_name(name, call.span, place)
            self.parameters[name] = Parameter(
                name, spec.shape, spec.dtype, spec.trainable, spec.initializer, node.index
            )
        self.nodes.append(node)
        place.scope.children.append(node.index)
        place.frame.flowing = True
        return node

    def _bound(self, type_: TensorType, at: Span, place: Place) -> None:
        """Refuse what no machine could hold, and no ONNX file could say."""
        elements = prod(max(1, lower_bound(dim, {}) or 1) for dim in type_.shape)
        if elements > self.limits.elements:
            message = f"a tensor {type_} has more than {self.limits.elements:,} elements"
            self.too_large(message, at, place, "elements")
        if max(map(nesting, type_.shape), default=0) > _MOST_DIVISIONS:
            message = f"this size is divided more than {_MOST_DIVISIONS} times, and cannot be written more simply"
            self.report(catalogue.LIMIT, message, at, place, helps=("give the input a fixed size",))
            raise TooLarge

    def claim_name(self, path: str, span: Span, place: Place) -> bool:
        """Register the name of a scope, node or tensor; gives whether it is new. Two of the same are a mistake."""
        first = self.names.get(path)
        if first is None:
            self.names[path] = span
            return True
        label = path.rpartition(".")[2]
        same = first == span
        self.report(
            catalogue.DUPLICATE_LABEL,
            f"`{path}` is built twice" if same else f"the label `{label}` is used twice, both would be `{path}`",
            Label(span, "in each pass of a loop or repetition" if same else "again here"),
            place,
            secondary=() if same else (Label(first, "first here"),),
            helps=(
                f"put the loop variable into the label: `{label}{{i}}: ...`"
                if same
                else "give one of them another label: it is the name of its weights",
            ),
        )
        return False
