"""A network as a table: one row for each stage, and the operators before and after the stages.

The layout follows table 1 of He et al. 2015 (arXiv:1512.03385): consecutive equal blocks are one row, with their
number. The rows of a stage are its blocks, and theirs are operators, down to the requested depth. The table is data;
other modules render it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from resdsl.analysis.cost import Cost, costs, total
from resdsl.analysis.receptive import ReceptiveField, receptive_fields
from resdsl.gc_pause import collection_paused
from resdsl.ir.graph import Graph, Scope, ScopeKind
from resdsl.ir.print import describe
from resdsl.ir.types import TensorType

Item = Scope | int
"""A piece of the network: a scope, or the index of a node."""

DEEPEST = 100
"""Maximum number of levels of rows; deeper scopes are one row."""


@dataclass(frozen=True, slots=True)
class Run:
    """``count`` consecutive equal calls. ``call`` is as written (``bottleneck(64)``), ``arguments`` are all."""

    count: int
    call: str
    arguments: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.count} x {self.call}" if self.count > 1 else self.call


@dataclass(frozen=True, slots=True)
class Row:
    """One op, block, join, group or stage.

    ``kind`` is ``op`` or the kind of its scope, ``path`` its name, ``layers`` what it consists of, ``input`` and
    ``output`` the types that flow in and out of it, ``cost`` its own share, ``field`` which part of the image an
    element of its output sees (``None`` as in ``receptive_fields``), ``rows`` its parts.

    ``count`` is more than 1 where ``folded`` made one row of several; then the costs are theirs together, ``path`` is
    the first's name, ``last`` the last's, and the field and the output are the last's.
    """

    kind: str
    path: str
    layers: tuple[Run, ...]
    input: TensorType
    output: TensorType
    cost: Cost
    field: ReceptiveField | None
    rows: tuple[Row, ...] = ()
    count: int = 1
    last: str = ""

    @property
    def text(self) -> str:
        return ", ".join(str(run) for run in self.layers)


@dataclass(frozen=True, slots=True)
class Summary:
    """The table and the totals.

    ``cost`` and ``outputs`` are those of inference, each weight counted once; ``aux`` is the cost of the heads that
    only training needs, ``None`` if there are none.
    """

    name: str
    input_name: str
    input: TensorType
    rows: tuple[Row, ...]
    outputs: tuple[tuple[str, TensorType], ...]
    cost: Cost
    depth: int
    aux: Cost | None = None


def summarize(graph: Graph, *, depth: int | None = 1, explicit: bool = False) -> Summary:
    """The table of a graph, ``depth`` rows deep: 1 is the stages, 2 their blocks, ``None`` everything down to the ops.

    With ``explicit`` every op and block is written with all of its arguments. The costs of the rows of one level add
    up to that of the row above them, and those of the first level to the whole, with rows of the kind ``aux`` apart.
    """
    below = (DEEPEST if depth is None else min(depth, DEEPEST)) - 1
    with collection_paused():
        writer = _Writer(graph, explicit)
        rows = tuple(writer.row(item, below) for item in _rows(graph))
    return Summary(
        name=graph.name,
        input_name=graph.input_name,
        input=graph.input.type,
        rows=rows,
        outputs=tuple((output.name, graph.nodes[output.node].type) for output in graph.outputs if not output.aux),
        cost=total(writer.costs, graph.inference_nodes),
        depth=graph.depth,
        aux=total(writer.costs, sorted(graph.aux_nodes)) if graph.aux_nodes else None,
    )


def folded(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows with consecutive equal blocks merged, on every level.

    Blocks are equal if they are calls of the same block with the same arguments on the same type of value; they then
    differ only in the names and values of their weights.
    """
    merged: list[Row] = []
    for _, group in groupby(enumerate(rows), key=lambda each: _alike(*each)):
        members = [row for _, row in group]
        first, last = members[0], members[-1]
        merged.append(
            dataclasses.replace(
                first,
                layers=tuple(dataclasses.replace(run, count=run.count * len(members)) for run in first.layers)
                if len(members) > 1
                else first.layers,
                cost=sum((row.cost for row in members), Cost()),
                field=last.field,
                rows=folded(first.rows),
                count=len(members),
                last=last.path,
            )
        )
    return tuple(merged)


def _alike(place: int, row: Row) -> object:
    if row.kind != ScopeKind.BLOCK:
        return place
    arguments = tuple((run.call, tuple(run.arguments.items())) for run in row.layers)
    return arguments, row.input, row.output, row.cost


def _rows(graph: Graph) -> Iterator[Item]:
    """Stages, and all that is not in one, in order.

    A scope around stages is no row itself, nor is a group that is most of the network (``features`` of a DenseNet), nor
    a join that is (the neck of a detector).
    """
    opened = _around_stages(graph.root)
    pending: list[Item] = list(reversed(graph.root.children))
    while pending:
        item = pending.pop()
        if isinstance(item, int):
            if item != graph.input.index:
                yield item
        elif item.kind is not ScopeKind.AUX and (id(item) in opened or _is_most(item, graph)):
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


_LARGE_JOIN = 20
"""Nodes of a join that is more than one block of a network."""


def _is_most(scope: Scope, graph: Graph) -> bool:
    """Whether a group is most of the network, or a join much of it, as in a detector: what is inside says more."""
    count = sum(1 for _ in scope.nodes())
    if scope.kind is ScopeKind.JOIN:
        return count > _LARGE_JOIN and (4 if _has_modules(scope) else 2) * count > len(graph.nodes)
    return scope.kind is ScopeKind.GROUP and 2 * count > len(graph.nodes)


def _has_modules(scope: Scope) -> bool:
    pending = [scope]
    while pending:
        for child in pending.pop().children:
            if isinstance(child, int):
                continue
            if child.kind in (ScopeKind.BLOCK, ScopeKind.STAGE):
                return True
            pending.append(child)
    return False


class _Writer:
    """Makes rows. A call is written with the arguments that it was given itself, or with all of them."""

    def __init__(self, graph: Graph, explicit: bool) -> None:
        self.costs = costs(graph)
        self._fields = receptive_fields(graph)
        self._graph = graph
        self._explicit = explicit
        self._passed = _passed_by_stages(graph.root)

    def row(self, item: Item, below: int) -> Row:
        """The row of a piece, with ``below`` levels of rows in it."""
        nodes = self._graph.nodes
        if isinstance(item, int):
            node = nodes[item]
            # A further input of an ONNX file takes nothing.
            source = nodes[node.inputs[0]].type if node.inputs else node.type
            return Row("op", node.path, self.runs(item), source, node.type, self.costs[item], self._fields[item])
        return Row(
            str(item.kind),
            item.path,
            self.runs(item),
            nodes[item.input].type,
            nodes[item.output].type,
            total(self.costs, self._counted(item)),
            self._fields[item.output],
            tuple(self.row(part, below - 1) for part in _parts(item)) if below else (),
        )

    def runs(self, item: Item) -> tuple[Run, ...]:
        """What an op or a scope consists of: a block or join is itself, a group or stage what is in it."""
        runs: list[Run] = []
        pending = [item]
        while pending:
            part = pending.pop()
            if not isinstance(part, int) and part.kind is ScopeKind.AUX and part is not item:
                # A head has its own row.
                continue
            if isinstance(part, int):
                runs.append(Run(1, describe(self._graph.nodes[part].operator, explicit=self._explicit), {}))
            elif part.kind in (ScopeKind.STAGE, ScopeKind.GROUP, ScopeKind.AUX):
                pending.extend(reversed(part.children))
            else:
                call = self._join(part) if part.kind is ScopeKind.JOIN else self._call(part, alone=part is item)
                runs.append(Run(1, call, part.arguments))
        return _counted(runs)

    def _counted(self, scope: Scope) -> Iterable[int]:
        """The nodes whose costs are those of a scope: heads in it are counted apart."""
        nodes, aux = tuple(scope.nodes()), self._graph.aux_nodes
        return nodes if aux.issuperset(nodes) else [index for index in nodes if index not in aux]

    def _call(self, scope: Scope, *, alone: bool) -> str:
        # Arguments that a stage passes to its first block are omitted while that block shares a row with others.
        passed = self._passed.get(id(scope), ()) if alone else ()
        first = next(iter(scope.arguments), None)
        shown = [
            value if name == first and not self._explicit else f"{name} = {value}"
            for name, value in scope.arguments.items()
            if self._explicit or name in scope.given or name in passed
        ]
        return f"{scope.callee}({', '.join(shown)})" if shown else scope.callee

    def _join(self, scope: Scope) -> str:
        if scope.callee != "residual":
            return scope.callee
        scale = scope.arguments.get("scale", "1")
        kind = scope.arguments.get("shortcut", "identity")
        main = f"residual(scale = {scale})" if self._explicit or scale != "1" else "residual"
        return f"{main} shortcut {kind}" if self._explicit or kind != "identity" else main


def _passed_by_stages(root: Scope) -> dict[int, tuple[str, ...]]:
    """The arguments that blocks have from the stage around them, by the identity of the block's scope."""
    passed: dict[int, tuple[str, ...]] = {}
    pending: list[tuple[Scope, Scope | None]] = [(root, None)]
    waiting: set[int] = set()
    while pending:
        scope, stage = pending.pop()
        if scope.kind is ScopeKind.STAGE:
            stage = scope
            waiting.add(id(scope))
        elif stage is not None and scope.kind in (ScopeKind.BLOCK, ScopeKind.MODEL) and id(stage) in waiting:
            waiting.remove(id(stage))
            passed[id(scope)] = tuple(stage.arguments)
        pending.extend((child, stage) for child in reversed(scope.children) if isinstance(child, Scope))
    return passed


def _parts(scope: Scope) -> Iterator[Item]:
    """The rows of a scope's inside. The branches of a join are rows among the others, in order."""
    pending = list(reversed(scope.children))
    while pending:
        child = pending.pop()
        if isinstance(child, Scope) and child.kind is ScopeKind.JOIN:
            pending.extend(reversed(child.children))
        else:
            yield child


def _counted(runs: list[Run]) -> tuple[Run, ...]:
    counted: list[Run] = []
    for call, equal in groupby(runs, key=lambda run: run.call):
        members = list(equal)
        counted.append(Run(sum(run.count for run in members), call, members[-1].arguments))
    return tuple(counted)
