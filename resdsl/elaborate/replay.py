"""What a call built, to build it once more behind itself: a deep network is mostly equal blocks in a row.

Elaborating a block takes some 60 microseconds a layer, and copying what it built 5. A call can be copied if another one
in the same place, for a value of the same type, built it without a message: then names and the numbers of nodes are
all that differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from resdsl.diagnostics import Span
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Flow
from resdsl.elaborate.trace import Visit
from resdsl.ir.graph import Node, Parameter, Scope


class Mark:
    """The state of a builder before a call."""

    def __init__(self, builder: GraphBuilder) -> None:
        self.nodes = len(builder.nodes)
        self.parameters = len(builder.parameters)
        self.names = len(builder.names)
        self.steps = builder.budget.steps
        self.reports = builder.reports
        self.visits = 0 if builder.trace is None else builder.trace.follow()


@dataclass(frozen=True, slots=True)
class Built:
    """What one call built, in the scope ``scope``, from the value ``flow``; ``result`` is the value that flows out."""

    scope: Scope
    flow: int
    result: int
    first: int
    nodes: Sequence[Node]
    parameters: Sequence[Parameter]
    names: Sequence[tuple[str, Span]]
    """All names below the scope's own."""
    sources: Sequence[tuple[str, Mapping[str, str]]]
    """The parameters of the model that arguments are passed through from, by the paths of nodes."""
    steps: int
    visits: Sequence[tuple[Span, Visit | None]]

    def fits(self, builder: GraphBuilder) -> bool:
        """Whether a copy stays within the limits. Otherwise the call has to be carried out, to tell where they end."""
        budget, limits = builder.budget, builder.limits
        return (
            budget.steps + self.steps <= limits.steps
            and budget.nodes + len(self.nodes) <= limits.nodes
            and (builder.trace is None or not builder.trace.cancellation.requested)
        )

    def again(self, builder: GraphBuilder, scope: Scope, flow: int) -> int:
        """Build it in another scope, whose name has been claimed, from the value ``flow``; gives what flows out."""
        cut, path = len(self.scope.path), scope.path
        first = self.first
        shift = len(builder.nodes) - first
        for node in self.nodes:
            inputs = tuple([index + shift if index >= first else flow for index in node.inputs])
            copied = path + node.path[cut:]
            builder.nodes.append(Node(node.index + shift, node.operator, inputs, node.type, copied, node.span))
        for one in self.parameters:
            name = path + one.name[cut:]
            builder.parameters[name] = Parameter(
                name, one.shape, one.dtype, one.trainable, one.source, one.node + shift
            )
        for name, span in self.names:
            builder.names[path + name[cut:]] = span
        for node_path, sources in self.sources:
            builder.argument_sources[path + node_path[cut:]] = sources

        def moved(index: int) -> int:
            return index + shift if index >= first else flow

        _copy_children(self.scope, scope, moved)
        builder.budget.nodes += len(self.nodes)
        builder.budget.steps += self.steps
        if builder.trace is not None:
            builder.trace.repeat(self.visits, self.scope.path, path, shift)
        return moved(self.result)


def built(builder: GraphBuilder, mark: Mark, scope: Scope, flow: int, result: Flow) -> Built | None:
    """What has been built since a mark, if it can be copied. Has to be called once for each mark."""
    visits = [] if builder.trace is None else builder.trace.followed(mark.visits)
    nodes = builder.nodes[mark.nodes :]
    is_own = all(index >= mark.nodes or index == flow for node in nodes for index in node.inputs)
    if result is None or builder.poisoned or builder.reports != mark.reports or not is_own:
        return None
    return Built(
        scope,
        flow,
        result,
        mark.nodes,
        nodes,
        [builder.parameters[name] for name in _last(builder.parameters, mark.parameters)],
        [(name, builder.names[name]) for name in _last(builder.names, mark.names)],
        [(node.path, builder.argument_sources[node.path]) for node in nodes if node.path in builder.argument_sources],
        builder.budget.steps - mark.steps,
        visits,
    )


def _last(known: dict[str, Parameter] | dict[str, Span], before: int) -> list[str]:
    """The keys that were added to a dictionary after it had so many, in order."""
    return list(islice(reversed(known), len(known) - before))[::-1]


def _copy_children(old: Scope, new: Scope, moved: Callable[[int], int]) -> None:
    """Give a scope what is in another one, with its own path in front; without recursion, however deep a text nests."""
    cut, path = len(old.path), new.path
    pairs = [(old, new)]
    while pairs:
        old, new = pairs.pop()
        for child in old.children:
            if isinstance(child, int):
                new.children.append(moved(child))
                continue
            copied = replace(
                child,
                path=path + child.path[cut:],
                children=[],
                input=moved(child.input),
                output=moved(child.output),
            )
            new.children.append(copied)
            pairs.append((child, copied))
