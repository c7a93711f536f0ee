"""Networks as text, one line per operator, for git to compare.

::

    model tiny: image f32[N, 3, 8, 8]
      conv1                         conv(4, 3x3)                        [N, 4, 8, 8]  108 parameters, 6,912 MACs
    layer1.0 basic(width = 4)
      layer1.0.conv1                conv(4, 3x3)                        [N, 4, 8, 8]  144 parameters, 9,216 MACs
    output logits: layer1.0.conv1

A line depends only on its own layer: columns have fixed widths, and receptive fields are left out, so that one change
does not change the lines of other layers. Headings are not indented: git shows them as hunk headers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from resdsl.analysis.cost import Cost, costs, total
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Graph, Node, Scope, ScopeKind
from resdsl.ir.preprocess import Preprocess
from resdsl.ir.print import describe, describe_step

_NAME, _CALL, _SHAPE = 32, 44, 24
"""Minimum widths of the columns, in characters."""


def layer_table(graph: Graph, names: Mapping[str, str] | None = None) -> str:
    """The lines of a network, each with a newline.

    ``names`` are the known names of blocks, by path, of a network that was read from an ONNX file: other names, and
    arguments, are found in the whole network, so that another version of it has others.
    """
    return "".join(f"{line.rstrip()}\n" for line in _lines(graph, names))


def _lines(graph: Graph, names: Mapping[str, str] | None) -> Iterator[str]:
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
                # Repeat the heading of the parent, so that a hunk header never names a block that has ended.
                yield owner or "network"
                heading = owner
            yield _line(graph, graph.nodes[item], each[item])
            continue
        inside = (_heading(item) if names is None else _known_heading(item, names)) or owner
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
    yield f"total: {_cost_text(whole)}, depth {graph.depth}"


def _heading(scope: Scope) -> str:
    """A stage, or a block with its arguments; groups and joins have no heading."""
    if scope.kind in (ScopeKind.JOIN, ScopeKind.GROUP):
        return ""
    arguments = ", ".join(f"{name} = {value}" for name, value in scope.arguments.items())
    if scope.kind in (ScopeKind.STAGE, ScopeKind.AUX):
        return f"{scope.kind} {scope.path}"
    return f"{scope.path} {scope.callee}{f'({arguments})' if arguments else ''}"


def _known_heading(scope: Scope, names: Mapping[str, str]) -> str:
    """What the file states of a scope: its path, and its name if it has one."""
    if scope.kind is ScopeKind.JOIN or not scope.label:
        return ""
    return f"{scope.path} {names.get(scope.path, '')}".rstrip()


def _line(graph: Graph, node: Node, cost: Cost) -> str:
    call = describe(node.operator)
    # Name the inputs unless the only one is the line above.
    if node.inputs != (node.index - 1,):
        call += f" <- {', '.join(_name(graph, index) for index in node.inputs)}"
    return f"  {node.path:{_NAME}} {call:{_CALL}} {node.type!s:{_SHAPE}} {_cost_text(cost)}"


def _name(graph: Graph, index: int) -> str:
    return graph.nodes[index].path or graph.input_name


def _cost_text(cost: Cost) -> str:
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
