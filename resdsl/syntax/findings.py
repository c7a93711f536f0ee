"""Syntax errors as they are found, and how many are told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from resdsl.diagnostics import Diagnostic, Diagnostics

MAX_ERRORS = 50
"""A text with more syntax errors is no text in this language; the first ones say so."""


@dataclass(slots=True)
class Findings:
    """The syntax errors of one text, in the order in which they were found."""

    _found: list[Diagnostic] = field(default_factory=list)

    def report(self, diagnostic: Diagnostic) -> None:
        self._found.append(diagnostic)

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def full(self) -> bool:
        """Whether so much is wrong that looking for more is of no use."""
        return len(self._found) > MAX_ERRORS

    def hand_over(self, diagnostics: Diagnostics) -> None:
        """Report them in the order of the text, the first `MAX_ERRORS`."""
        ordered = sorted(self._found, key=lambda found: found.primary.span.start if found.primary else 0)
        told = ordered[:MAX_ERRORS]
        if len(ordered) > len(told):
            told[-1] = replace(told[-1], notes=(*told[-1].notes, f"only the first {MAX_ERRORS} syntax errors are told"))
        for diagnostic in told:
            diagnostics.report(diagnostic)
