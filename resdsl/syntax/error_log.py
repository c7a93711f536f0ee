"""The syntax errors of a text, and how many of them are reported."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from resdsl.diagnostics import Diagnostic, Diagnostics, Span

MAX_ERRORS = 50
"""Parsing stops after more errors than this: the text is probably not in this language."""


@dataclass(slots=True)
class ErrorLog:
    """The syntax errors of one text, in the order in which they were found."""

    _errors: list[Diagnostic] = field(default_factory=list)
    _lines_with_bracket_errors: set[int] = field(default_factory=set)

    def report(self, diagnostic: Diagnostic) -> None:
        self._errors.append(diagnostic)

    def report_bracket(self, diagnostic: Diagnostic) -> None:
        """Report an unmatched bracket, and remember all lines that the error points to."""
        self._errors.append(diagnostic)
        labels = [diagnostic.primary, *diagnostic.secondary]
        self._lines_with_bracket_errors |= {label.span.position.line for label in labels if label is not None}

    def is_on_line_with_bracket_error(self, span: Span) -> bool:
        """Whether an error may be a consequence of an unmatched bracket, as it is on the same line."""
        return span.position.line in self._lines_with_bracket_errors

    def __bool__(self) -> bool:
        return bool(self._errors)

    @property
    def full(self) -> bool:
        """Whether there are so many errors that parsing should stop."""
        return len(self._errors) > MAX_ERRORS

    def report_to(self, diagnostics: Diagnostics) -> None:
        """Report the first `MAX_ERRORS` errors in the order of the text."""
        ordered = sorted(self._errors, key=lambda error: error.primary.span.start if error.primary else 0)
        reported = ordered[:MAX_ERRORS]
        if len(ordered) > MAX_ERRORS:
            note = f"only the first {MAX_ERRORS} syntax errors are reported"
            reported[-1] = replace(reported[-1], notes=(*reported[-1].notes, note))
        for diagnostic in reported:
            diagnostics.report(diagnostic)
