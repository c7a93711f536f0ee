"""The graph under construction, and the diagnostics of one elaboration."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import NoReturn

from resdsl.diagnostics import Code, Diagnostic, Diagnostics, Fix, Label, Span, catalogue
from resdsl.diagnostics.diagnostic import Severity
from resdsl.diagnostics.suggest import Suggester
from resdsl.elaborate.allowances import Allowances
from resdsl.elaborate.claims import Claim, Compare
from resdsl.elaborate.context import Context, Flow, Variable
from resdsl.elaborate.limits import MOST_ERRORS, MOST_WARNINGS, WORK_A_STEP, Budget, Limits, raise_limit
from resdsl.elaborate.recording import Recording
from resdsl.elaborate.trace import Trace
from resdsl.ir.application import Application, distinct
from resdsl.ir.dims import MOST_DIVISIONS, is_manageable, lower_bound
from resdsl.ir.graph import Node, Output, Parameter
from resdsl.ir.operator import Operator, Refusal
from resdsl.ir.preprocess import Preprocess
from resdsl.ir.types import TensorType
from resdsl.ops.input import Input
from resdsl.syntax import tree

_CHARACTERS_OF_WORK = 50
"""Characters of a name that count as a piece of work."""


class LimitReached(Exception):
    """A limit is reached; the diagnostic has been reported."""


@dataclass(slots=True)
class GraphBuilder:
    """The graph under construction and the diagnostics so far."""

    diagnostics: Diagnostics
    limits: Limits
    allowances: Allowances
    claims: bool
    """Whether shape annotations and expectations are verified (not when the input was replaced)."""
    altered: bool
    """Whether arguments were given for the model's parameters, so that it is not the network the file speaks of."""
    run_body: Callable[[GraphBuilder, tree.Body, Flow, Context], Flow]
    nodes: list[Node] = field(default_factory=list)
    outputs: dict[str, Output] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    names: dict[str, Span] = field(default_factory=dict)
    expectations: list[Claim] = field(default_factory=list)
    preprocess: Preprocess | None = None
    labels: tuple[str, ...] | None = None
    lines: dict[type[tree.Tree], Span] = field(default_factory=dict)
    """Where the lines stand that a model has once."""
    budget: Budget = field(default_factory=Budget)
    work: int = 0
    """Pieces of work that are not yet counted as steps."""
    reports: int = 0
    """Diagnostics reported, repeated ones included."""
    constants: dict[Hashable, dict[str, Variable]] = field(default_factory=dict)
    """The consts of each file, by file and by the sizes that symbols stand for."""
    poisoned: bool = False
    """Whether some value became unknown, so that totals cannot be verified."""
    applied: dict[Hashable, Application] = field(default_factory=dict)
    """What has been inferred already, by operator and types."""
    types: dict[TensorType, TensorType] = field(default_factory=dict)
    """The one object for each type."""
    suggester: Suggester = field(default_factory=Suggester)
    argument_sources: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """As in ``Graph``."""
    compare: Compare | None = None
    """Finds what to compare a network with whose totals are not those that are claimed."""
    trace: Trace | None = None
    """Where what became of each statement is recorded, for an editor."""
    recording: Recording | None = None
    """Records which bodies are carried out, for those who write the text in another language."""

    def report(
        self,
        code: Code,
        message: str,
        at: Span | Label | None,
        context: Context | None = None,
        *,
        secondary: Sequence[Label] = (),
        notes: Sequence[str] = (),
        helps: Sequence[str] = (),
        fix: Fix | None = None,
        alternative: Fix | None = None,
    ) -> None:
        primary = Label(at) if isinstance(at, Span) else at
        if self.allowances.silence(code, primary.span if primary else None):
            return
        self.reports += 1
        if primary is None or not self.diagnostics.repeat(code, primary.span):
            if code.severity is Severity.WARNING and len(self.diagnostics) >= MOST_WARNINGS:
                return
            chain = context.frame.chain() if context else ()
            self.diagnostics.report(
                Diagnostic(
                    code, message, primary, tuple(secondary), chain, tuple(notes), tuple(helps), fix, alternative
                )
            )
        if code.severity is Severity.ERROR:
            self._count_error()

    def _count_error(self) -> None:
        self.budget.errors += 1
        if self.budget.errors >= MOST_ERRORS and not self.budget.exhausted:
            self.budget.exhausted = True
            message = f"the check stopped after {MOST_ERRORS:,} errors, counting each time that one was found"
            self.diagnostics.report(Diagnostic(catalogue.LIMIT, message, helps=("fix the errors above first",)))
            raise LimitReached

    def step(self, at: Span, context: Context) -> None:
        """Count one statement, and stop where the specification has become too large."""
        self.budget.steps += 1 + self.work // WORK_A_STEP
        self.work %= WORK_A_STEP
        if self.budget.steps > self.limits.steps:
            self.too_large(f"more than {self.limits.steps:,} statements are carried out", at, context, "steps")
        if context.depth > self.limits.depth:
            self.too_large(f"calls and braces are nested more than {self.limits.depth} deep", at, context, "depth")

    def too_large(self, message: str, at: Span, context: Context, limit: str) -> NoReturn:
        """Report that a limit is reached, and stop."""
        self.budget.exhausted = True
        self.report(catalogue.LIMIT, message, at, context, helps=(raise_limit(limit),))
        raise LimitReached

    def add(
        self, operator: Operator, inputs: tuple[int, ...], path: str, call: tree.Tree, context: Context
    ) -> Node | Refusal:
        """Append a node. A refusal of the operator is returned, so that the caller reports it where it happened."""
        types = tuple([self.nodes[index].type for index in inputs])
        key = (distinct(operator), types)
        applied = self.applied.get(key)
        if applied is None:
            try:
                result = operator.infer(*types)
            except Refusal as refusal:
                return refusal
            self._bound(result, call.span, context)
            applied = Application(operator, types, self.types.setdefault(result, result))
            for spec in applied.parameters:
                self._bound(TensorType(spec.dtype, spec.shape), call.span, context)
            self.applied[key] = applied
        self.budget.nodes += 1
        # The input counts as none.
        if self.budget.nodes > self.limits.nodes + 1:
            self.too_large(f"the network has more than {self.limits.nodes:,} operators", call.span, context, "nodes")
        # The operator of the first of its kind, so that equal ones are one object.
        node = Node(len(self.nodes), applied.operator, inputs, applied.result, path, call.span)
        is_new = self.claim_name(path, call.span, context)
        for spec in applied.parameters:
            name = f"{path}.{spec.name}"
            if is_new:
                self.claim_name(name, call.span, context)
            self.parameters[name] = Parameter(
                name, spec.shape, spec.dtype, spec.trainable, spec.initializer, node.index
            )
        self.nodes.append(node)
        context.scope.children.append(node.index)
        context.frame.flowing = True
        return node

    def assume(self, type_: TensorType, at: Span, context: Context) -> int:
        """Append a value of a type that comes from nowhere. The graph cannot be used any more."""
        self.poisoned = True
        self._bound(type_, at, context)
        type_ = self.types.setdefault(type_, type_)
        self.nodes.append(Node(len(self.nodes), Input(type_), (), type_, context.frame.path, at))
        return len(self.nodes) - 1

    def _bound(self, type_: TensorType, at: Span, context: Context) -> None:
        """Refuse what no machine could hold and no ONNX file could express."""
        elements = prod(max(1, lower_bound(dim, {}) or 1) for dim in type_.shape)
        if elements > self.limits.elements:
            message = f"a tensor {type_} has more than {self.limits.elements:,} elements"
            self.too_large(message, at, context, "elements")
        if not all(map(is_manageable, type_.shape)):
            message = f"this size is divided more than {MOST_DIVISIONS} times, and cannot be written more simply"
            self.report(catalogue.LIMIT, message, at, context, helps=("give the input a fixed size",))
            raise LimitReached

    def claim_name(self, path: str, span: Span, context: Context) -> bool:
        """Register the name of a scope, node or tensor; returns whether it is new. A name used twice is an error."""
        # A long name takes time and memory wherever it is written.
        self.work += len(path) // _CHARACTERS_OF_WORK
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
            context,
            secondary=() if same else (Label(first, "first here"),),
            helps=(
                f"put the loop variable into the label: `{label}{{i}}: ...`"
                if same
                else "give one of them another label: it is the name of its weights",
            ),
        )
        return False
