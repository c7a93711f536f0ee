"""Syntax errors as they are found, and how many are told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from resdsl.diagnostics import Diagnostic, Diagnostics, Span

MAX_ERRORS = 50
"""A text with more syntax errors is no text in this language; the first ones say so."""


@dataclass(slots=True)
class ErrorLog:
    """The syntax errors of one text, in the order in which they were found."""

    _found: list[Diagnostic] = field(default_factory=list)
    _lines_with_wrong_brackets: set[int] = field(default_factory=set)

    def report(self, diagnostic: Diagnostic) -> None:
        self._found.append(diagnostic)

    def report_bracket(self, diagnostic: Diagnostic) -> None:
        """Report a bracket that does not match, with all the lines that it was seen on."""
        self._found.append(diagnostic)
        labels = [diagnostic.primary, *diagnostic.secondary]
        self._lines_with_wrong_brackets |= {label.span.position.line for label in labels if label is not None}

    def is_on_line_with_bracket_error(self, span: Span) -> bool:
        """Whether a mistake stands on a line with a wrong bracket, so that it may be a consequence of that."""
        return span.position.line in self._lines_with_wrong_brackets

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def full(self) -> bool:
        """Whether so much is wrong that looking for more is of no use."""
        return len(self._found) > MAX_ERRORS

    def report_to(self, diagnostics: Diagnostics) -> None:
        """Report them in the order of the text, the first `MAX_ERRORS`."""
        ordered = sorted(self._found, key=lambda found: found.primary.span.start if found.primary else 0)
        told = ordered[:MAX_ERRORS]
        if len(ordered) > len(told):
            told[-1] = replace(told[-1], notes=(*told[-1].notes, f"only the first {MAX_ERRORS} syntax errors are told"))
        for diagnostic in told:
            diagnostics.report(diagnostic)
