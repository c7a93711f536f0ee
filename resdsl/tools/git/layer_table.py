"""Networks as plain lines, one operator a line: what git compares in place of the text.

::

    model tiny: image f32[N, 3, 8, 8]
      conv1                         conv(4, 3x3)                        [N, 4, 8, 8]  108 parameters, 6,912 MACs
    layer1.0 basic(width = 4)
      layer1.0.conv1                conv(4, 3x3)                        [N, 4, 8, 8]  144 parameters, 9,216 MACs
    output logits: layer1.0.conv1

A line depends on its own layer alone. Columns have fixed widths, and receptive fields are left out, so that one change
does not touch the lines of others. Headings begin at the margin: git shows them with its hunks.
"""

from __future__ import annotations

from collections.abc import Iterator

from resdsl.analysis.cost import Cost, costs, total
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Graph, Node, Scope, ScopeKind
from resdsl.ir.preprocess import Preprocess
from resdsl.ir.print import describe, describe_step

_NAME, _CALL, _SHAPE = 32, 44, 24
"""Widths of the columns, in characters; longer cells push what follows."""


def layer_table(graph: Graph) -> str:
    """The lines of a network, with a newline at the end of each."""
    return "".join(f"{line.rstrip()}\n" for line in _lines(graph))


def _lines(graph: Graph) -> Iterator[str]:
    each = costs(graph)
    yield f"model {graph.name}: {graph.input_name} {graph.input.type.dtype}{graph.input.type}"
    pending: list[tuple[Scope | int, str]] = [(child, "") for child in reversed(graph.root.children)]
    heading = ""
    while pending:
        item, owner = pending.pop()
        if isinstance(item, int):
            if item == graph.input.index:
                continue
            if owner != heading:
                # Back in what was opened before, or at the top: hunks must not name a block that has ended.
                yield owner or "network"
                heading = owner
            yield _line(graph, graph.nodes[item], each[item])
            continue
        inside = _heading(item) or owner
        if inside != owner:
            yield inside
            heading = inside
        pending.extend((child, inside) for child in reversed(item.children))
    for output in graph.outputs:
        yield f"{'aux ' if output.aux else ''}output {output.name}: {_name(graph, output.node)}"
    if graph.preprocess is not None:
        yield f"preprocess: {_steps(graph.preprocess)}"
    if graph.labels is not None:
        yield f"labels: {len(graph.labels):,} ({', '.join(graph.labels[:3])}{', ...' if len(graph.labels) > 3 else ''})"
    whole = total(each, graph.inference_nodes)
    yield f"total: {_told(whole)}, depth {graph.depth}"


def _heading(scope: Scope) -> str:
    """A stage or block with all that it was called with; groups and joins are seen in their layers."""
    if scope.kind in (ScopeKind.JOIN, ScopeKind.GROUP):
        return ""
    arguments = ", ".join(f"{name} = {value}" for name, value in scope.arguments.items())
    if scope.kind in (ScopeKind.STAGE, ScopeKind.AUX):
        return f"{scope.kind} {scope.path}"
    return f"{scope.path} {scope.callee}{f'({arguments})' if arguments else ''}"


def _line(graph: Graph, node: Node, cost: Cost) -> str:
    call = describe(node.operator)
    # What comes from elsewhere than the line above is named.
    if node.inputs != (node.index - 1,):
        call += f" <- {', '.join(_name(graph, index) for index in node.inputs)}"
    return f"  {node.path:{_NAME}} {call:{_CALL}} {node.type!s:{_SHAPE}} {_told(cost)}"


def _name(graph: Graph, index: int) -> str:
    return graph.nodes[index].path or graph.input_name


def _told(cost: Cost) -> str:
    parts = []
    if cost.parameters:
        parts.append(f"{cost.parameters:,} parameters")
    if cost.macs:
        parts.append(f"{_exact(cost.macs)} MACs")
    return ", ".join(parts)


def _exact(count: Dim) -> str:
    return f"{count:,}" if isinstance(count, int) else str(count)


def _steps(preprocess: Preprocess) -> str:
    return "; ".join(describe_step(step) for step in preprocess.steps)
