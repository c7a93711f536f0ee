"""Which blocks call which."""

from __future__ import annotations

from collections.abc import Iterable

from lsprotocol import types

from resdsl.elaborate.program import Defined
from resdsl.syntax import tree
from resdsl.tools.lsp.analysis import Analysis
from resdsl.tools.lsp.features.documentation import head_of
from resdsl.tools.lsp.features.navigation import same
from resdsl.tools.lsp.names import Kind, Occurrence, Symbol, definition_symbol

_BLOCKS = frozenset({Kind.BLOCK, Kind.MODEL})


def prepare(analysis: Analysis, position: types.Position) -> list[types.CallHierarchyItem]:
    """The block or model at a place."""
    named = analysis.names.at(analysis.positions.offset(position))
    if named is None or named.symbol.kind not in _BLOCKS:
        return []
    item = _item(analysis, named.symbol)
    return [item] if item else []


def incoming(
    analysis: Analysis, others: Iterable[Analysis], item: types.CallHierarchyItem
) -> list[types.CallHierarchyIncomingCall]:
    """The blocks and models that call it, here and in other files."""
    calls = []
    for one in (analysis, *(other for other in others if other.source.path != analysis.source.path)):
        for definition in _definitions(one):
            places = [
                occurrence
                for occurrence in _calls_in(one, definition)
                if occurrence.symbol.name == item.name and _is(one, occurrence.symbol, item)
            ]
            caller = _item(one, definition_symbol(Defined(definition, one.unit)))
            if places and caller is not None:
                calls.append(
                    types.CallHierarchyIncomingCall(caller, [one.positions.of(place.span) for place in places])
                )
    return calls


def outgoing(analysis: Analysis, item: types.CallHierarchyItem) -> list[types.CallHierarchyOutgoingCall]:
    """What it calls."""
    calls: list[tuple[Symbol, list[types.Range]]] = []
    for definition in _definitions(analysis):
        if definition.name.name != item.name:
            continue
        for occurrence in _calls_in(analysis, definition):
            known = next((places for symbol, places in calls if same(symbol, occurrence.symbol)), None)
            if known is None:
                calls.append((occurrence.symbol, known := []))
            known.append(analysis.positions.of(occurrence.span))
    items = [(_item(analysis, symbol), places) for symbol, places in calls]
    return [types.CallHierarchyOutgoingCall(to, places) for to, places in items if to is not None]


def _definitions(analysis: Analysis) -> list[tree.Definition]:
    return [item for item in analysis.module.items if isinstance(item, tree.Definition)]


def _calls_in(analysis: Analysis, definition: tree.Definition) -> list[Occurrence]:
    return [
        one
        for one in analysis.names.occurrences
        if one.symbol.kind in _BLOCKS
        and not one.defines
        and definition.span.start <= one.span.start < definition.span.end
    ]


def _is(analysis: Analysis, symbol: Symbol, item: types.CallHierarchyItem) -> bool:
    found = _item(analysis, symbol)
    return found is not None and found.uri == item.uri


def _item(analysis: Analysis, symbol: Symbol) -> types.CallHierarchyItem | None:
    span = symbol.span
    if span is None or span.source.path is None:
        return None
    places = analysis.positions_of(span.source)
    definition = symbol.tree
    whole = definition.span if definition is not None else span
    kind = types.SymbolKind.Class if symbol.kind is Kind.MODEL else types.SymbolKind.Function
    detail = head_of(definition) if isinstance(definition, tree.Definition) else None
    uri = span.source.path.absolute().as_uri()
    return types.CallHierarchyItem(symbol.name, kind, uri, places.of(whole), places.of(span), detail=detail)
