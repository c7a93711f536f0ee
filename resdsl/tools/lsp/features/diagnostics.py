"""Errors and warnings, with the places that belong to them."""

from __future__ import annotations

from lsprotocol import types

from resdsl.cli.flags import as_flags
from resdsl.diagnostics import Diagnostic, Severity, Span, catalogue
from resdsl.diagnostics.explanation import PAGES
from resdsl.diagnostics.options import spelled
from resdsl.syntax import tree
from resdsl.tools.lsp.analysis import Analysis

_SEVERITIES = {Severity.ERROR: types.DiagnosticSeverity.Error, Severity.WARNING: types.DiagnosticSeverity.Warning}
_UNUSED = frozenset(
    code.id
    for code in (
        catalogue.UNUSED_TAP,
        catalogue.UNUSED_BLOCK,
        catalogue.UNUSED_PARAMETER,
        catalogue.UNUSED_CONST,
    )
)


def diagnostics(analysis: Analysis) -> list[types.Diagnostic]:
    """The diagnostics of a text. Those of a file that it uses are shown at the ``use``."""
    return [_diagnostic(analysis, one) for one in analysis.diagnostics]


def _diagnostic(analysis: Analysis, found: Diagnostic) -> types.Diagnostic:
    related = [(label.span, label.text or "here") for label in found.secondary]
    place = found.primary.span if found.primary else None
    if place is not None and place.source is not analysis.source:
        related.insert(0, (place, found.message))
        place = _use_of(analysis, place)
    related += [(call.span, f"in {call.path}: {call.text}") for call in found.chain]
    where = analysis.positions.of(place) if place is not None else analysis.positions.range(0, 0)
    return types.Diagnostic(
        where,
        _message(found),
        severity=_SEVERITIES[found.severity],
        code=found.code.id,
        code_description=types.CodeDescription((PAGES / f"{found.code.id}.md").as_uri()),
        source="resdsl",
        tags=[types.DiagnosticTag.Unnecessary] if found.code.id in _UNUSED else None,
        related_information=[_related(analysis, span, text) for span, text in related if span.source.path] or None,
    )


def _message(found: Diagnostic) -> str:
    """The message as the command line prints it: what is at the place, facts, and how to fix it."""
    lines = [str(found.message)]
    if found.primary is not None and found.primary.text:
        lines.append(found.primary.text)
    lines += [f"note: {note}" for note in found.notes]
    lines += [f"help: {spelled(text, as_flags)}" for text in found.helps]
    if found.fix is not None:
        lines.append(f"help: {found.fix.title}")
    return "\n".join(lines)


def _related(analysis: Analysis, span: Span, text: str) -> types.DiagnosticRelatedInformation:
    assert span.source.path is not None
    where = types.Location(span.source.path.absolute().as_uri(), analysis.positions_of(span.source).of(span))
    return types.DiagnosticRelatedInformation(where, text)


def _use_of(analysis: Analysis, place: Span) -> Span | None:
    """The ``use`` through which a file came: the one that names it, or the first."""
    uses = [item for item in analysis.module.items if isinstance(item, tree.Use)]
    name = place.source.path.name if place.source.path else place.source.name
    direct = [use for use in uses if use.path.value.endswith(name)]
    return next((use.path.span for use in (*direct, *uses)), None)
