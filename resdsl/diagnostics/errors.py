"""The exceptions that resdsl raises for what a user can fix: one base, each carries diagnostics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from resdsl.diagnostics.diagnostic import Code, Diagnostic, Diagnostics


class ResdslError(Exception):
    """Base of every error about input, files or the machine. A bug in resdsl raises something else.

    ``diagnostics`` has everything that was reported, warnings too; ``diagnostic`` is the first error of them.
    """

    def __init__(self, diagnostics: Diagnostic | Diagnostics) -> None:
        super().__init__(diagnostics)
        if isinstance(diagnostics, Diagnostic):
            single, diagnostics = diagnostics, Diagnostics()
            diagnostics.report(single)
        self.diagnostics = diagnostics

    @classmethod
    def of(cls, code: Code, message: str, *, notes: Iterable[str] = (), helps: Iterable[str] = ()) -> Self:
        """An error with one diagnostic that has no place in a text."""
        return cls(Diagnostic(code, message, notes=tuple(notes), helps=tuple(helps)))

    @property
    def diagnostic(self) -> Diagnostic:
        return self.diagnostics.errors[0]

    @property
    def exit_status(self) -> int:
        """The exit status of a command that ends with this error."""
        return self.diagnostics.exit_status

    def __str__(self) -> str:
        errors = self.diagnostics.errors
        if not errors:
            return "no errors"
        place = f"{errors[0].primary.span}: " if errors[0].primary else ""
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        return f"{place}{errors[0].message}{more}"


class CompileError(ResdslError):
    """A specification, its weights, or the file to write does not allow the result that was asked for."""


class OutputError(CompileError):
    """A result cannot be written; ``diagnostic`` says why and what to do."""


class RunError(ResdslError):
    """An image, a model or its metadata does not allow a run."""


class UnavailableError(RunError):
    """The machine, or what is installed on it, cannot do what was asked for."""
