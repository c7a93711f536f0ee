"""From a name to its definition and its uses, in this file and others, and to another name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from lsprotocol import types

from resdsl.diagnostics import Span
from resdsl.elaborate.program import resolved
from resdsl.syntax import tree
from resdsl.tools.lsp.analysis import Analysis
from resdsl.tools.lsp.names import Kind, Occurrence, Symbol

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LABEL = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*")
_RESERVED = frozenset({"if", "else", "and", "or", "not", "true", "false"})
_ACROSS_FILES = frozenset({Kind.BLOCK, Kind.MODEL, Kind.PARAMETER})
_RENAMED = _ACROSS_FILES | {Kind.CONST, Kind.VARIABLE, Kind.TAP, Kind.LABEL, Kind.SIZE, Kind.INPUT, Kind.OUTPUT}

_WARNING = "checkpoint names"


class CannotRename(Exception):
    """Why a name cannot be changed, for the user."""


def definition(analysis: Analysis, position: types.Position) -> types.Location | None:
    """Where the name at a place is defined; for a ``use``, the file."""
    offset = analysis.positions.offset(position)
    for item in analysis.module.items:
        if isinstance(item, tree.Use) and item.path.span.start <= offset <= item.path.span.end:
            target = used_file(analysis, item)
            return None if target is None else types.Location(target.absolute().as_uri(), _start())
    named = analysis.names.at(offset)
    if named is None or named.symbol.span is None:
        return None
    return location(analysis, named.symbol.span)


def location(analysis: Analysis, span: Span) -> types.Location | None:
    """A place of this text or of one that it uses, unless that is no file."""
    path = span.source.path
    if path is None:
        return None
    return types.Location(path.absolute().as_uri(), analysis.positions_of(span.source).of(span))


def used_file(analysis: Analysis, use: tree.Use) -> Path | None:
    """The file that a ``use`` names."""
    for unit in analysis.units:
        path = unit.module.source.path
        if path is not None and unit is not analysis.unit and _is_named(analysis, path, use.path.value):
            return path
    return None


def _is_named(analysis: Analysis, path: Path, written: str) -> bool:
    if written.startswith("std/"):
        return path.parent.name == "std" and path.name == written.removeprefix("std/")
    own = analysis.source.path
    return own is not None and path.resolve() == resolved(own.parent / written)


def same(a: Symbol, b: Symbol) -> bool:
    """Whether two symbols, perhaps of two analyses, are one: they are defined at one place."""
    if a.kind is not b.kind or a.name != b.name:
        return False
    if a.span is None or b.span is None:
        return a.span is b.span and a.owner == b.owner
    return a.span.start == b.span.start and _path(a.span) == _path(b.span)


def _path(span: Span) -> object:
    return span.source.path.resolve() if span.source.path else span.source


def references(
    analysis: Analysis, others: Iterable[Analysis], position: types.Position, *, with_definition: bool
) -> list[types.Location]:
    """Where the name at a place is used, also in other files of the workspace."""
    named = analysis.names.at(analysis.positions.offset(position))
    if named is None:
        return []
    found = [
        location(one, occurrence.span)
        for one, occurrence in _occurrences(analysis, others, named.symbol)
        if with_definition or not occurrence.defines
    ]
    return [place for place in found if place is not None]


def _occurrences(
    analysis: Analysis, others: Iterable[Analysis], symbol: Symbol
) -> Iterable[tuple[Analysis, Occurrence]]:
    yield from ((analysis, one) for one in analysis.names.occurrences if same(one.symbol, symbol))
    if symbol.kind in _ACROSS_FILES:
        for other in others:
            if other.source.path != analysis.source.path:
                yield from ((other, one) for one in other.names.occurrences if same(one.symbol, symbol))


def highlights(analysis: Analysis, position: types.Position) -> list[types.DocumentHighlight]:
    """The same name in this text."""
    named = analysis.names.at(analysis.positions.offset(position))
    if named is None:
        return []
    return [
        types.DocumentHighlight(
            analysis.positions.of(one.span),
            types.DocumentHighlightKind.Write if one.defines else types.DocumentHighlightKind.Read,
        )
        for one in analysis.names.occurrences
        if same(one.symbol, named.symbol)
    ]


def prepare_rename(analysis: Analysis, position: types.Position) -> types.Range | None:
    """The name at a place, if it can be changed."""
    named = analysis.names.at(analysis.positions.offset(position))
    if named is None or named.symbol.kind not in _RENAMED or named.symbol.span is None:
        return None
    if named.symbol.kind is Kind.LABEL and "{" in named.symbol.name:
        return None
    return analysis.positions.of(named.span)


def rename(
    analysis: Analysis, others: Iterable[Analysis], position: types.Position, new: str, *, annotated: bool
) -> types.WorkspaceEdit:
    """The edits that give the name at a place another one. Raises ``CannotRename``.

    Renaming a label changes the names of tensors: where the editor can (``annotated``), the edit asks first and says
    which.
    """
    named = analysis.names.at(analysis.positions.offset(position))
    if named is None or prepare_rename(analysis, position) is None:
        raise CannotRename("there is no name here that can be changed")
    symbol = named.symbol
    _require_free(analysis, symbol, new)
    warning = changed_tensors(analysis, named, new) if symbol.kind is Kind.LABEL else ""
    edits: dict[str, list[types.TextEdit | types.AnnotatedTextEdit | types.SnippetTextEdit]] = {}
    for one, occurrence in _occurrences(analysis, others, symbol):
        if one.source.path is None:
            continue
        where = one.positions.of(occurrence.span)
        edit = (
            types.AnnotatedTextEdit(annotation_id=_WARNING, range=where, new_text=new)
            if warning and annotated
            else types.TextEdit(where, new)
        )
        edits.setdefault(one.source.path.absolute().as_uri(), []).append(edit)
    annotations = {_WARNING: types.ChangeAnnotation("Rename tensors", needs_confirmation=True, description=warning)}
    return types.WorkspaceEdit(
        document_changes=[
            types.TextDocumentEdit(types.OptionalVersionedTextDocumentIdentifier(uri, None), made)
            for uri, made in edits.items()
        ],
        change_annotations=annotations if warning and annotated else None,
    )


def _require_free(analysis: Analysis, symbol: Symbol, new: str) -> None:
    pattern = _LABEL if symbol.kind is Kind.LABEL else _NAME
    if not pattern.fullmatch(new) or new in _RESERVED:
        raise CannotRename(f"'{new}' is not a {symbol.kind}'s name")
    if symbol.kind is Kind.SIZE and not new[:1].isupper():
        raise CannotRename("an open size begins with a capital letter")
    taken = [
        one.symbol
        for one in analysis.names.occurrences
        if one.defines
        and one.symbol.name == new
        and one.symbol.kind is not Kind.LABEL
        and (one.symbol.owner == symbol.owner or one.symbol.kind in {Kind.BLOCK, Kind.MODEL})
    ]
    if symbol.kind not in {Kind.LABEL, Kind.OUTPUT, Kind.INPUT} and taken:
        raise CannotRename(f"there is a {taken[0].kind} '{new}' already")


def changed_tensors(analysis: Analysis, named: Occurrence, new: str) -> str:
    """Which names of tensors a new label changes, in a sentence; empty if none."""
    old = named.symbol.name
    for step in analysis.steps:
        label = step.label or (step.flow.label if isinstance(step.flow, tree.Stage) else None)
        if label is None or label.span != named.span:
            continue
        visits = analysis.visits(step.span)
        tensors = [one.name for visit in visits.kept for one in visit.parameters]
        if not tensors:
            return ""
        example = next((name for name in tensors if f".{old}." in f".{name}"), tensors[0])
        renamed = f".{example}".replace(f".{old}.", f".{new}.", 1)[1:]
        count = len(tensors) if visits.count == len(visits.kept) else 0
        many = f"{count} tensors" if count else f"{len(tensors)} tensors and more"
        return f"{many} get other names, such as {example} -> {renamed}: checkpoints need --rename {old}={new}"
    return ""


def _start() -> types.Range:
    return types.Range(types.Position(0, 0), types.Position(0, 0))


def workspace_symbols(analyses: Iterable[Analysis], query: str) -> list[types.WorkspaceSymbol]:
    """The models and blocks whose names have the letters of the query in their order."""
    pattern = re.compile(".*?".join(map(re.escape, query[:100])), re.IGNORECASE)
    found = []
    for analysis in analyses:
        for item in analysis.module.items:
            if not isinstance(item, tree.Definition) or not pattern.search(item.name.name):
                continue
            where = location(analysis, item.name.span)
            if where is not None:
                kind = types.SymbolKind.Class if item.kind == "model" else types.SymbolKind.Function
                found.append(types.WorkspaceSymbol(where, item.name.name, kind, container_name=analysis.source.name))
    return found
