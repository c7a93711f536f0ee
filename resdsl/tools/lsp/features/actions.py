"""Fixes of diagnostics, one at a time or all at once."""

from __future__ import annotations

from collections.abc import Sequence

from lsprotocol import types

from resdsl.diagnostics import Diagnostic, Edit, Fix, catalogue
from resdsl.tools.lsp.analysis import Analysis

FIX_ALL = "source.fixAll.resdsl"


def quick_fixes(analysis: Analysis, uri: str, within: types.Range) -> list[types.CodeAction]:
    """The fixes of diagnostics whose place is touched."""
    return [
        _action(analysis, uri, [found], found.fix.title, found.fix.edits, is_preferred=True)
        for found in _touched(analysis, within)
        if found.fix is not None and _is_own(analysis, found.fix)
    ]


def restatements(analysis: Analysis, uri: str, within: types.Range) -> list[types.CodeAction]:
    """For shapes and totals that are not as the text states them: to state what the network has.

    Not preferred, and no part of `fix_all`, as the network may be what is wrong.
    """
    stated = [one for one in analysis.diagnostics if one.alternative and _is_own(analysis, one.alternative)]
    actions = [
        _action(analysis, uri, [found], found.alternative.title, found.alternative.edits)
        for found in _touched(analysis, within)
        if found in stated and found.alternative and _holds(analysis, [found])
    ]
    if actions and len(stated) > 1 and _holds(analysis, stated):
        title = f"state what the network has, in all {len(stated)} places"
        actions.append(_action(analysis, uri, stated, title, _edits(stated)))
    return actions


def _touched(analysis: Analysis, within: types.Range) -> list[Diagnostic]:
    start, end = analysis.positions.offset(within.start), analysis.positions.offset(within.end)
    places = [(found, found.primary.span) for found in analysis.diagnostics if found.primary and analysis.own(found)]
    return [found for found, span in places if span.start <= end and start <= span.end]


def _is_own(analysis: Analysis, fix: Fix) -> bool:
    return all(edit.span.source is analysis.source for edit in fix.edits)


def _edits(stated: Sequence[Diagnostic]) -> list[Edit]:
    return [edit for one in stated if one.alternative for edit in one.alternative.edits]


def _holds(analysis: Analysis, stated: Sequence[Diagnostic]) -> bool:
    """Whether these errors are gone once the text states what the network has. Passes of a loop may differ."""
    if all(one.code is catalogue.EXPECTATION for one in stated):
        return True
    left = analysis.errors_after(_edits(stated))
    return left <= len(analysis.diagnostics.errors) - len(stated)


def _action(
    analysis: Analysis,
    uri: str,
    found: Sequence[Diagnostic],
    title: str,
    edits: Sequence[Edit],
    *,
    is_preferred: bool = False,
) -> types.CodeAction:
    diagnostics = [
        types.Diagnostic(analysis.positions.of(one.primary.span), str(one.message), code=one.code.id, source="resdsl")
        for one in found
        if one.primary is not None
    ]
    return types.CodeAction(
        title,
        kind=types.CodeActionKind.QuickFix,
        diagnostics=diagnostics,
        is_preferred=is_preferred or None,
        edit=types.WorkspaceEdit(changes={uri: [_edit(analysis, edit) for edit in edits]}),
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
