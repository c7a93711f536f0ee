"""The structure of a text: symbols, folding, selection, and links to files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lsprotocol import types

from resdsl.diagnostics import Span
from resdsl.elaborate.program import is_file
from resdsl.syntax import tree
from resdsl.tools.lsp.analysis import Analysis
from resdsl.tools.lsp.features.documentation import head_of
from resdsl.tools.lsp.features.navigation import used_file

_Kinds = types.SymbolKind


def document_symbols(analysis: Analysis) -> list[types.DocumentSymbol]:
    """Models, blocks, their stages, labelled layers and taps, nested as they are written."""
    found = []
    for item in analysis.module.items:
        if isinstance(item, tree.Const):
            found.append(_symbol(analysis, item.name.name, _Kinds.Constant, item.span, item.name.span))
        elif isinstance(item, tree.Definition):
            kind = _Kinds.Class if item.kind == "model" else _Kinds.Function
            children = list(_in_body(analysis, item.body))
            found.append(_symbol(analysis, item.name.name, kind, item.span, item.name.span, head_of(item), children))
    return found


def _symbol(
    analysis: Analysis,
    name: str,
    kind: types.SymbolKind,
    span: Span,
    selection: Span,
    detail: str = "",
    children: list[types.DocumentSymbol] | None = None,
) -> types.DocumentSymbol:
    place = analysis.positions
    return types.DocumentSymbol(
        name or "?", kind, place.of(span), place.of(selection), detail=detail or None, children=children or None
    )


def _in_body(analysis: Analysis, body: tree.Body) -> Iterator[types.DocumentSymbol]:
    for statement in body.statements:
        match statement:
            case tree.Step():
                yield from _in_step(analysis, statement)
            case tree.Tap() | tree.Output() | tree.Input():
                name = statement.name
                kind = _Kinds.Variable if isinstance(statement, tree.Tap) else _Kinds.Interface
                yield _symbol(analysis, name.name, kind, statement.span, name.span)
            case tree.Const():
                yield _symbol(analysis, statement.name.name, _Kinds.Constant, statement.span, statement.name.span)
            case tree.Aux():
                children = list(_in_body(analysis, statement.body))
                label = statement.label.span
                yield _symbol(analysis, label.text, _Kinds.Module, statement.span, label, "aux", children)


def _in_step(analysis: Analysis, step: tree.Step) -> Iterator[types.DocumentSymbol]:
    flow = step.flow
    children = [symbol for body in _bodies(flow) for symbol in _in_body(analysis, body)]
    label = flow.label if isinstance(flow, tree.Stage) else step.label
    if label is None:
        yield from children
        return
    kind = _Kinds.Module if isinstance(flow, tree.Stage) else _Kinds.Field
    visits = analysis.visits(step.span).kept
    detail = str(visits[0].after) if visits and visits[0].after is not None else ""
    yield _symbol(analysis, label.span.text, kind, step.span, label.span, detail, children)


def _bodies(flow: tree.Flow) -> Iterable[tree.Body]:
    match flow:
        case tree.Repeat():
            return _bodies(flow.repeated)
        case tree.Residual():
            return [body for body in (flow.main, flow.shortcut) if body is not None]
        case tree.If():
            return [body for body in (flow.then, flow.otherwise) if body is not None]
        case tree.Group() | tree.Stage() | tree.Join() | tree.From() | tree.For():
            return [flow.body]
        case _:
            return []


def folding_ranges(analysis: Analysis) -> list[types.FoldingRange]:
    """Bodies of several lines, and blocks of comments."""
    ranges = {}
    for span in _spans(analysis):
        first, last = analysis.positions.position(span.start).line, analysis.positions.position(span.end).line
        if last > first:
            ranges[first] = types.FoldingRange(first, last, kind=types.FoldingRangeKind.Region)
    for first, last in _comments(analysis):
        ranges.setdefault(first, types.FoldingRange(first, last, kind=types.FoldingRangeKind.Comment))
    return [ranges[line] for line in sorted(ranges)]


def _comments(analysis: Analysis) -> Iterator[tuple[int, int]]:
    lines = [analysis.positions.position(one.span.start).line for one in analysis.module.comments if one.own_line]
    start = 0
    for index, line in enumerate(lines):
        if index + 1 == len(lines) or lines[index + 1] != line + 1:
            if index > start:
                yield lines[start], line
            start = index + 1


def _spans(analysis: Analysis) -> Iterator[Span]:
    """Whatever holds others: definitions, and statements of several lines."""
    for item in analysis.module.items:
        yield item.span
    yield from (step.span for step in analysis.steps)


def selection_ranges(analysis: Analysis, positions: Sequence[types.Position]) -> list[types.SelectionRange]:
    """For each place the name, the statement, the statements around it, the definition, the text."""
    return [_selection(analysis, analysis.positions.offset(position)) for position in positions]


def _selection(analysis: Analysis, offset: int) -> types.SelectionRange:
    whole = analysis.source.span(0, len(analysis.source.text))
    around = {span for span in _spans(analysis) if span.start <= offset <= span.end}
    named = analysis.names.at(offset)
    spans = sorted({whole, *around, *([named.span] if named else [])}, key=lambda span: span.start - span.end)
    selection: types.SelectionRange | None = None
    for span in spans:
        # Spans that only overlap cannot be nested.
        if selection is None or _holds(selection.range, analysis.positions.of(span)):
            selection = types.SelectionRange(analysis.positions.of(span), selection)
    assert selection is not None
    return selection


def _holds(outer: types.Range, inner: types.Range) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def links(analysis: Analysis) -> list[types.DocumentLink]:
    """The files that the text names: what it uses, and labels."""
    found = []
    for item in analysis.module.items:
        if isinstance(item, tree.Use):
            target = used_file(analysis, item)
            if target is not None:
                found.append(_link(analysis, item.path.span, target))
        elif isinstance(item, tree.Definition):
            found += _labels(analysis, item)
    return found


def _labels(analysis: Analysis, item: tree.Definition) -> Iterator[types.DocumentLink]:
    own = analysis.source.path
    for statement in item.body.statements:
        if isinstance(statement, tree.Labels) and isinstance(statement.value, tree.String) and own is not None:
            target = own.parent / statement.value.value
            if is_file(target):
                yield _link(analysis, statement.value.span, target)


def _link(analysis: Analysis, span: Span, target: Path) -> types.DocumentLink:
    # Without the quotes.
    where = analysis.positions.range(span.start + 1, span.end - 1)
    return types.DocumentLink(where, target=target.resolve().as_uri())
