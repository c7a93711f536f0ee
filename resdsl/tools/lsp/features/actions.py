"""Fixes of diagnostics, one at a time or all at once."""

from __future__ import annotations

from lsprotocol import types

from resdsl.diagnostics import Diagnostic, Edit
from resdsl.tools.lsp.analysis import Analysis

FIX_ALL = "source.fixAll.resdsl"


def quick_fixes(analysis: Analysis, uri: str, within: types.Range) -> list[types.CodeAction]:
    """The fixes of diagnostics whose place is touched."""
    start, end = analysis.positions.offset(within.start), analysis.positions.offset(within.end)
    actions = []
    for found in analysis.diagnostics:
        if found.fix is None or found.primary is None or not analysis.own(found):
            continue
        touched = found.primary.span.start <= end and start <= found.primary.span.end
        if touched and all(edit.span.source is analysis.source for edit in found.fix.edits):
            actions.append(_action(analysis, uri, found))
    return actions


def _action(analysis: Analysis, uri: str, found: Diagnostic) -> types.CodeAction:
    assert found.fix is not None and found.primary is not None
    place = analysis.positions.of(found.primary.span)
    return types.CodeAction(
        found.fix.title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=[types.Diagnostic(place, str(found.message), code=found.code.id, source="resdsl")],
        is_preferred=True,
        edit=types.WorkspaceEdit(changes={uri: [_edit(analysis, edit) for edit in found.fix.edits]}),
    )


def _edit(analysis: Analysis, edit: Edit) -> types.TextEdit:
    return types.TextEdit(analysis.positions.of(edit.span), edit.replacement)


def fix_all(analysis: Analysis, uri: str, text: str) -> types.CodeAction:
    """Everything that ``check --fix`` changes, whose result is ``text``."""
    whole = analysis.positions.range(0, len(analysis.source.text))
    return types.CodeAction(
        "Fix all problems of resdsl",
        kind=FIX_ALL,
        edit=types.WorkspaceEdit(changes={uri: [types.TextEdit(whole, text)]}),
    )
