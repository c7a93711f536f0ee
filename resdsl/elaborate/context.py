"""Where a statement stands: the call around it, its variables, the names and the scope that it builds in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from resdsl.diagnostics import Call, Span
from resdsl.elaborate.program import Defined, Unit
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Scope, ScopeKind
from resdsl.syntax import tree

_LONGEST_SHOWN = 300
"""Characters of the arguments of a call in a message."""

Flow = int | None
"""The current value: the index of its node, or ``None`` where a reported error makes it unknown."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A parameter, const or loop variable. ``words`` are the bare words that may be compared with it.

    ``source`` is the model parameter that its value is passed through from unchanged.
    """

    value: object
    words: tuple[str, ...] = ()
    source: str | None = None


def source_of(expression: tree.Expression, variables: Mapping[str, Variable]) -> str | None:
    """The model parameter whose value an expression passes through: it is just a name."""
    variable = variables.get(expression.name) if isinstance(expression, tree.Name) else None
    return variable.source if variable else None


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
    aux: str = ""
    """The head that is being built, which only training needs."""
    inside: tuple[Defined, ...] = ()
    """What is being called: the model, the blocks around this call, and its own."""

    _call: Call | None = None
    _shown: Mapping[str, str] | None = None
    """The arguments that ``_call`` was made with; they are set once they are bound."""

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
            links.append(frame.call)
            frame = frame.parent
        return tuple(links)

    @property
    def call(self) -> Call:
        """The call as a message shows it, very long arguments cut short."""
        if self._call is None or self._shown is not self.arguments:
            arguments = ""
            for name, value in self.arguments.items():
                arguments += f"{', ' if arguments else ''}{name} = {value[:_LONGEST_SHOWN]}"
                if len(arguments) > _LONGEST_SHOWN:
                    arguments = f"{arguments[:_LONGEST_SHOWN]}..."
                    break
            text = f"{self.definition.name}({arguments})" if arguments else self.definition.name
            self._call = Call(self.path, text, self.span)
            self._shown = self.arguments
        return self._call


@dataclass(slots=True)
class StageArguments:
    """What a ``stage`` was given, waiting for the first block called in it."""

    arguments: tuple[tuple[tree.Argument, Variable], ...]
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """Where a statement stands."""

    frame: Frame
    unit: Unit
    variables: Mapping[str, Variable]
    naming: Naming
    scope: Scope
    stage: StageArguments | None
    depth: int
    joined: bool = False
    """Whether this is in a join or residual, of this call or one around it."""

    def inside(
        self,
        *,
        variables: Mapping[str, Variable] | None = None,
        naming: Naming | None = None,
        scope: Scope | None = None,
        stage: StageArguments | None = None,
    ) -> Context:
        """One body further in, with what changes there."""
        return Context(
            self.frame,
            self.unit,
            self.variables if variables is None else variables,
            naming or self.naming,
            scope or self.scope,
            stage or self.stage,
            self.depth + 1,
            self.joined or (scope is not None and scope.kind is ScopeKind.JOIN),
        )
