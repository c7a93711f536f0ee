"""Diagnostics as plain data, for ``--json``: stable within ``VERSION``, which grows when a key changes its meaning.

A report is ``{"version": 1, "diagnostics": [..], "errors": 2, "warnings": 1}``. A diagnostic is::

    {
      "code": "E0301",                  # stable, see `resdsl explain`
      "severity": "error",              # or "warning"
      "title": "the two paths ..",      # the title of the code
      "message": "the two paths ..",    # this one
      "place": PLACE or null,           # the place to change
      "label": "..",                    # the message of that place
      "secondary": [{"place": PLACE, "label": ".."}, ..],
      "chain": [{"path": "layer2.0", "call": "bottleneck(width = 128)", "place": PLACE}, ..],   # innermost first
      "repeats": 35,                    # further calls with the same error at the same place
      "notes": ["..", ..],
      "helps": ["..", ..],
      "fix": {"title": "..", "edits": [{"place": PLACE, "replacement": ".."}, ..]} or null
    }

A PLACE is half open, and counts what people count::

    {"file": "specs/a.res", "line": 9, "column": 3, "end_line": 9, "end_column": 11, "start": 120, "end": 128}

Lines and columns count from 1, columns and the offsets ``start`` and ``end`` in characters (Unicode code points) of
the text with its line ends as read. Texts are not escaped: a program that prints them must protect its own terminal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from resdsl.diagnostics.diagnostic import Diagnostic, Diagnostics, Fix, Severity
from resdsl.diagnostics.options import Spelling, in_python, with_spelling
from resdsl.diagnostics.source import Span

VERSION = 1

Data = dict[str, Any]


def report_data(diagnostics: Diagnostics | Iterable[Diagnostic], spelling: Spelling = in_python) -> Data:
    """A whole report, in the schema above, options in ``spelling``."""
    found = list(diagnostics)
    repeats = diagnostics.repeats if isinstance(diagnostics, Diagnostics) else lambda _: 0
    return {
        "version": VERSION,
        "diagnostics": [to_data(with_spelling(one, spelling), repeats(one)) for one in found],
        "errors": sum(diagnostic.severity is Severity.ERROR for diagnostic in found),
        "warnings": sum(diagnostic.severity is Severity.WARNING for diagnostic in found),
    }


def to_data(diagnostic: Diagnostic, repeats: int = 0) -> Data:
    """One diagnostic, in the schema above."""
    primary = diagnostic.primary
    return {
        "code": diagnostic.code.id,
        "severity": diagnostic.severity.value,
        "title": diagnostic.code.title,
        "message": diagnostic.message,
        "place": place_data(primary.span) if primary else None,
        "label": primary.text if primary else "",
        "secondary": [{"place": place_data(label.span), "label": label.text} for label in diagnostic.secondary],
        "chain": [{"path": call.path, "call": call.text, "place": place_data(call.span)} for call in diagnostic.chain],
        "repeats": repeats,
        "notes": list(diagnostic.notes),
        "helps": list(diagnostic.helps),
        "fix": _fix_data(diagnostic.fix) if diagnostic.fix else None,
    }


def place_data(span: Span) -> Data:
    """A PLACE of the schema above."""
    first = span.source.position(span.start)
    last = span.source.position(span.end)
    return {
        "file": span.source.name,
        "line": first.line,
        "column": first.column,
        "end_line": last.line,
        "end_column": last.column,
        "start": span.start,
        "end": span.end,
    }


def _fix_data(fix: Fix) -> Data:
    return {
        "title": fix.title,
        "edits": [{"place": place_data(edit.span), "replacement": edit.replacement} for edit in fix.edits],
    }
