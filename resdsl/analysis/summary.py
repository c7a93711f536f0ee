"""A network as a table: what comes before and after the stages, op by op, and each stage as one row.

The manner of table 1 of He et al. 2015 (arXiv:1512.03385): blocks that are called alike one after another are told
once, with their number. All of it is data; drawing it is for others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from resdsl.analysis.cost import Cost, costs, total
from resdsl.ir.graph import Graph, Scope, ScopeKind
from resdsl.ir.print import describe
from resdsl.ir.types import TensorType


@dataclass(frozen=True, slots=True)
class Run:
    """So many equal calls, one after another. ``call`` is short (``bottleneck(64)``), ``arguments`` are all of them."""

    count: int
    call: str
    arguments: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.count} x {self.call}" if self.count > 1 else self.call


@dataclass(frozen=True, slots=True)
class Row:
    """One op, block, group or stage.

    ``kind`` is ``op`` or the kind of its scope, ``path`` its name, ``layers`` what it consists of, ``output`` the type
    that flows out of it, ``cost`` its own share.
    """

    kind: str
    path: str
    layers: tuple[Run, ...]
    output: TensorType
    cost: Cost

    @property
    def text(self) -> str:
        return ", ".join(str(run) for run in self.layers)


@dataclass(frozen=True, slots=True)
class Summary:
    """The table, and what is said below it. ``cost`` is the whole network's, each weight counted once."""

    name: str
    input_name: str
    input: TensorType
    rows: tuple[Row, ...]
    outputs: tuple[tuple[str, TensorType], ...]
    cost: Cost
    depth: int


def summarize(graph: Graph, *, explicit: bool = False) -> Summary:
    """The table of a graph; with ``explicit`` every op and block is written with all of its arguments."""
    each = costs(graph)
    writer = _Writer(graph, explicit)
    rows = tuple(
        Row(
            "op" if isinstance(item, int) else str(item.kind),
            graph.nodes[item].path if isinstance(item, int) else item.path,
            writer.runs(item),
            graph.nodes[item if isinstance(item, int) else item.output].type,
            each[item] if isinstance(item, int) else total(each, item.nodes()),
        )
        for item in _rows(graph)
    )
    return Summary(
        name=graph.name,
        input_name=graph.input_name,
        input=graph.input.type,
        rows=rows,
        outputs=tuple((output.name, graph.nodes[output.node].type) for output in graph.outputs),
        cost=total(each, range(1, len(graph.nodes))),
        depth=graph.depth,
    )


def _rows(graph: Graph) -> Iterator[Scope | int]:
    """Stages, and all that is not in one, in order.

    A scope around stages is no row itself, nor is a group that is most of the network (``features`` of a DenseNet).
    """
    opened = _around_stages(graph.root)
    pending: list[Scope | int] = list(reversed(graph.root.children))
    while pending:
        item = pending.pop()
        if isinstance(item, int):
            if item != graph.input.index:
                yield item
        elif id(item) in opened or _is_most(item, graph):
            pending.extend(reversed(item.children))
        else:
            yield item


def _around_stages(root: Scope) -> set[int]:
    """The identities of the scopes that hold a stage and are in none."""
    found: set[int] = set()
    pending: list[tuple[Scope, ...]] = [(root,)]
    while pending:
        chain = pending.pop()
        for child in chain[-1].children:
            if isinstance(child, int):
                continue
            if child.kind is ScopeKind.STAGE:
                found.update(id(scope) for scope in chain)
            else:
                pending.append((*chain, child))
    return found


def _is_most(scope: Scope, graph: Graph) -> bool:
    return scope.kind is ScopeKind.GROUP and 2 * sum(1 for _ in scope.nodes()) > len(graph.nodes)


class _Writer:
    """Writes calls short: an argument that nearly all calls of a block share says nothing in a table."""

    def __init__(self, graph: Graph, explicit: bool) -> None:
        self._graph = graph
        self._explicit = explicit
        self._usual = {} if explicit else _usual_arguments(graph.root)

    def runs(self, item: Scope | int) -> tuple[Run, ...]:
        """What an op or a scope consists of: a block or join is itself, a group or stage what is in it."""
        # What a stage passes to its first block alone is the stage's, and the block is like the others.
        passed = {} if self._explicit or isinstance(item, int) else item.arguments
        runs: list[Run] = []
        pending = [item]
        while pending:
            part = pending.pop()
            if isinstance(part, int):
                runs.append(Run(1, describe(self._graph.nodes[part].operator, explicit=self._explicit), {}))
            elif part.kind in (ScopeKind.STAGE, ScopeKind.GROUP):
                pending.extend(reversed(part.children))
            else:
                runs.append(self._run(part, passed if part is not item else {}))
        return _folded(runs)

    def _run(self, scope: Scope, passed: Mapping[str, str]) -> Run:
        shown: list[str] = []
        for place, (name, value) in enumerate(scope.arguments.items()):
            if place == 0 and scope.kind is not ScopeKind.JOIN:
                shown.append(f"{name} = {value}" if self._explicit else value)
            elif name not in passed and value != self._usual.get((scope.callee, name)):
                shown.append(f"{name} = {value}")
        call = f"{scope.callee}({', '.join(shown)})" if shown else scope.callee
        return Run(1, call, scope.arguments)


def _folded(runs: list[Run]) -> tuple[Run, ...]:
    folded: list[Run] = []
    for call, equal in groupby(runs, key=lambda run: run.call):
        members = list(equal)
        folded.append(Run(sum(run.count for run in members), call, members[-1].arguments))
    return tuple(folded)


def _usual_arguments(root: Scope) -> dict[tuple[str, str], str]:
    """The value that most calls of a block give each argument."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    pending = [root]
    while pending:
        scope = pending.pop()
        if scope.callee:
            for name, value in scope.arguments.items():
                counts.setdefault((scope.callee, name), Counter())[value] += 1
        pending.extend(child for child in reversed(scope.children) if isinstance(child, Scope))
    return {key: counter.most_common(1)[0][0] for key, counter in counts.items()}
