"""What became of each statement while a text was elaborated: what editors show beside it.

A text is usually being written, so a trace is of use where no graph can be made: it has what is known before and after
each error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from resdsl.diagnostics import Call, Span
from resdsl.elaborate.context import Context, Flow, Variable
from resdsl.ir.graph import Node, Parameter
from resdsl.ir.types import TensorType

MOST_VISITS = 24
"""Calls of a statement that are kept; how many there were is counted."""


class Cancelled(Exception):
    """The text has changed, so that nobody needs the result any more."""


@dataclass(slots=True)
class Cancellation:
    """Another thread sets ``requested``, to end the elaboration with ``Cancelled``."""

    requested: bool = False


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
    cancellation: Cancellation = field(default_factory=Cancellation)
    _followed: list[tuple[Span, Visit | None]] = field(default_factory=list)
    _followers: int = 0

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
        if self.cancellation.requested:
            raise Cancelled
        known = self.visits.get(span)
        if known is None:
            known = self.visits[span] = Visits()
        known.count += 1
        visit = None
        if known.count <= MOST_VISITS:
            before, after = ends
            visit = Visit(
                None if before is None else nodes[before].type,
                None if after is None else nodes[after].type,
                context.frame.chain(),
                context.variables,
                nodes,
                parameters,
                first,
                len(nodes),
            )
            known.kept.append(visit)
        if self._followers:
            self._followed.append((span, visit))

    def follow(self) -> int:
        """Keep the visits from here on in order, up to the call of ``followed`` with what this returns."""
        self._followers += 1
        return len(self._followed)

    def followed(self, start: int) -> Sequence[tuple[Span, Visit | None]]:
        """The visits since a call of ``follow``, ``None`` for those of which only the number is kept."""
        visits = self._followed[start:]
        self._followers -= 1
        if not self._followers:
            self._followed.clear()
        return visits

    def repeat(self, visits: Sequence[tuple[Span, Visit | None]], old: str, new: str, shift: int) -> None:
        """Record visits once more, of a copy of the call ``old`` that is ``new``, so many nodes further on."""
        chains: dict[int, tuple[Call, ...]] = {}
        for span, visit in visits:
            known = self.visits[span]
            known.count += 1
            copied = None
            if visit is not None and known.count <= MOST_VISITS:
                chain = chains.get(id(visit.chain))
                if chain is None:
                    chain = chains[id(visit.chain)] = tuple(_renamed(call, old, new) for call in visit.chain)
                copied = replace(visit, chain=chain, first=visit.first + shift, last=visit.last + shift)
                known.kept.append(copied)
            if self._followers:
                self._followed.append((span, copied))


def _renamed(call: Call, old: str, new: str) -> Call:
    is_inside = call.path == old or call.path.startswith(f"{old}.")
    return replace(call, path=new + call.path[len(old) :]) if is_inside else call
