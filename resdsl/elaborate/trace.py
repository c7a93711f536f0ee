"""What became of each statement while a text was elaborated: what editors show beside it.

A text is usually being written, so a trace is of use where no graph can be made: it has what is known before and after
each error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from resdsl.diagnostics import Call, Span
from resdsl.elaborate.context import Context, Flow, Variable
from resdsl.ir.graph import Node, Parameter
from resdsl.ir.types import TensorType

MOST_VISITS = 24
"""Calls of a statement that are kept; how many there were is counted."""


class Cancelled(Exception):
    """The text has changed, so that nobody needs the result any more."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One time that a statement was carried out.

    ``before`` and ``after`` are the types of the value that flows in and out, ``None`` where an error makes them
    unknown. ``chain`` are the calls that led here, the innermost first. The statement made the nodes from ``first`` up
    to ``last``, without it, of ``all_nodes``.
    """

    before: TensorType | None
    after: TensorType | None
    chain: tuple[Call, ...]
    variables: Mapping[str, Variable]
    all_nodes: Sequence[Node]
    all_parameters: Mapping[str, Parameter]
    first: int
    last: int

    @property
    def nodes(self) -> Sequence[Node]:
        return self.all_nodes[self.first : self.last]

    @property
    def parameters(self) -> list[Parameter]:
        """The tensors of the nodes, in order."""
        return [one for one in self.all_parameters.values() if self.first <= one.node < self.last]


@dataclass(slots=True)
class Visits:
    """The first visits of a statement, and how many there were in all."""

    kept: list[Visit] = field(default_factory=list)
    count: int = 0


@dataclass(slots=True)
class Trace:
    """Visits by the span of the statement, of every model of a file that was elaborated."""

    visits: dict[Span, Visits] = field(default_factory=dict)
    cancelled: bool = False
    """Set by another thread, to end the elaboration with ``Cancelled``."""

    def add(
        self,
        span: Span,
        ends: tuple[Flow, Flow],
        first: int,
        nodes: Sequence[Node],
        parameters: Mapping[str, Parameter],
        context: Context,
    ) -> None:
        """Record a visit of the statement at ``span``.

        ``ends`` are the values that flow in and out, ``first`` is the index of the first node that it made, ``nodes``
        and ``parameters`` are those of the network, which grow.
        """
        if self.cancelled:
            raise Cancelled
        known = self.visits.get(span)
        if known is None:
            known = self.visits[span] = Visits()
        known.count += 1
        if known.count > MOST_VISITS:
            return
        before, after = ends
        known.kept.append(
            Visit(
                None if before is None else nodes[before].type,
                None if after is None else nodes[after].type,
                context.frame.chain(),
                context.variables,
                nodes,
                parameters,
                first,
                len(nodes),
            )
        )
