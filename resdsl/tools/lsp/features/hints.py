"""Shapes after statements, and what stages and models cost: inlay hints and code lenses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from lsprotocol import types

from resdsl.analysis.quantities import short
from resdsl.elaborate.trace import Visit, Visits
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Graph, ScopeKind
from resdsl.syntax import tree
from resdsl.tools.lsp.analysis import Analysis

PICK_CALL = "resdsl.pickCall"

Picked = Mapping[str, str]
"""The call whose shapes are shown, by the name of the block: its path (``layer2.0``)."""

_MOST_CALLS = 6


def inlay_hints(analysis: Analysis, within: types.Range, picked: Picked) -> list[types.InlayHint]:
    """The shape after the last statement of each line that does not state it."""
    start, end = analysis.positions.offset(within.start), analysis.positions.offset(within.end)
    last: dict[int, tree.Step] = {}
    for step in analysis.steps:
        if not start <= step.span.end <= end:
            continue
        line = analysis.positions.position(step.span.end).line
        known = last.get(line)
        # The outermost of those that end here comes first.
        if known is None or step.span.end > known.span.end:
            last[line] = step
    hints = (_hint(analysis, step, picked) for step in last.values() if step.shape is None)
    return [hint for hint in hints if hint is not None]


def _hint(analysis: Analysis, step: tree.Step, picked: Picked) -> types.InlayHint | None:
    visits = analysis.visits(step.span)
    visit = chosen(visits, picked)
    if visit is None or visit.after is None:
        return None
    return types.InlayHint(
        analysis.positions.position(step.span.end),
        f"-> {visit.after}",
        kind=types.InlayHintKind.Type,
        padding_left=True,
        tooltip=_tooltip(visits),
    )


def chosen(visits: Visits, picked: Picked) -> Visit | None:
    """The visit to show: of the call that was picked for its block, or the first."""
    for visit in visits.kept:
        if visit.chain and picked.get(visit.chain[0].text.partition("(")[0]) == visit.chain[0].path:
            return visit
    return visits.kept[0] if visits.kept else None


def _tooltip(visits: Visits) -> str | None:
    """The shapes of all calls, if there are several."""
    shapes = [(visit.chain[0].path if visit.chain else "", str(visit.after)) for visit in visits.kept]
    if len({shape for _, shape in shapes}) < 2:
        return None
    lines = [f"{path}: {shape}" for path, shape in shapes[:_MOST_CALLS]]
    more = visits.count - len(lines)
    return "\n".join([*lines, f"and {more:,} more calls"] if more > 0 else lines)


def code_lenses(analysis: Analysis, picked: Picked) -> list[types.CodeLens]:
    """Above models and stages: parameters, MACs and depth; above blocks: how often they are called, and where."""
    lenses = []
    for item in analysis.module.items:
        if not isinstance(item, tree.Definition):
            continue
        graph = analysis.graphs.get(item.name.name)
        where = analysis.positions.of(item.name.span)
        if item.kind == "model" and graph is not None:
            depth = max((graph.depths()[output.node] for output in graph.outputs if not output.aux), default=0)
            title = f"{_costs(graph.parameter_count, graph.macs)} · {depth} layer{'s' * (depth != 1)} deep"
            lenses.append(types.CodeLens(where, types.Command(title, "")))
            lenses += _stages(analysis, graph)
        elif item.kind == "block":
            lenses += _calls(analysis, item, picked)
    return lenses


def _stages(analysis: Analysis, graph: Graph) -> Iterator[types.CodeLens]:
    tensors: Counter[int] = Counter()
    for parameter in graph.parameters.values():
        tensors[parameter.node] += parameter.count * parameter.trainable
    for scope in graph.root.leaves_first():
        span = analysis.in_text(scope.span)
        if scope.kind is ScopeKind.STAGE and span.source is analysis.source:
            nodes = list(scope.nodes())
            macs: Dim = 0
            for node in nodes:
                macs = macs + graph.applications[node].macs
            title = _costs(sum(tensors[node] for node in nodes), macs)
            yield types.CodeLens(analysis.positions.of(span), types.Command(title, ""))


def _costs(parameters: int, macs: Dim) -> str:
    return f"{short(parameters)} parameters · {short(macs)} MACs"


def _calls(analysis: Analysis, block: tree.Definition, picked: Picked) -> Iterator[types.CodeLens]:
    calls = calls_of(analysis, block)
    if not calls:
        return
    path = picked.get(block.name.name)
    shown = path if path in calls else next(iter(calls))
    count = max((analysis.visits(step.span).count for step in analysis.steps if _is_in(step, block)), default=0)
    noun = "call" if count == 1 else "calls"
    yield types.CodeLens(
        analysis.positions.of(block.name.span),
        types.Command(
            f"{count:,} {noun} · shapes of {shown or 'the first'}",
            PICK_CALL,
            arguments=[analysis.source.path.absolute().as_uri() if analysis.source.path else "", block.name.name],
        ),
    )


def calls_of(analysis: Analysis, block: tree.Definition) -> dict[str, str]:
    """The calls of a block that were seen, by their paths: ``layer1.0`` -> ``bottleneck(width = 64)``."""
    calls: dict[str, str] = {}
    for step in analysis.steps:
        if _is_in(step, block):
            for visit in analysis.visits(step.span).kept:
                if visit.chain:
                    calls.setdefault(visit.chain[0].path, visit.chain[0].text)
    return calls


def _is_in(step: tree.Step, block: tree.Definition) -> bool:
    return block.span.start <= step.span.start and step.span.end <= block.span.end
