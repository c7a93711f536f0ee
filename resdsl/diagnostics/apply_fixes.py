"""Apply the fixes of diagnostics to a text."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from resdsl.diagnostics.diagnostic import Diagnostic, Edit
from resdsl.diagnostics.source import Source


def apply_fixes(source: Source, found: Iterable[Diagnostic]) -> tuple[str, tuple[Diagnostic, ...]]:
    """The text with all fixes applied that are wholly in it, and the diagnostics that they belong to.

    Of overlapping fixes the first in the text is applied: the others may no longer be right after it.
    """
    chosen: list[Diagnostic] = []
    edits: list[Edit] = []
    for diagnostic in sorted(found, key=_start):
        own = diagnostic.fix.edits if diagnostic.fix else ()
        if own and all(edit.span.source is source for edit in own) and not _collide([*edits, *own]):
            chosen.append(diagnostic)
            edits += own
    text = source.text
    # From the end, so that offsets before an edit stay what they are.
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text, tuple(chosen)


def _start(diagnostic: Diagnostic) -> int:
    return min((edit.span.start for edit in diagnostic.fix.edits), default=0) if diagnostic.fix else 0


def _collide(edits: list[Edit]) -> bool:
    spans = sorted((edit.span.start, edit.span.end) for edit in edits)
    # Two edits that begin at one place collide even if one only inserts: their order is undefined.
    return any(after[0] < before[1] or after[0] == before[0] for before, after in pairwise(spans))
