"""What stops a run: exceptions that carry a diagnostic. Where a run can go on, its caller catches them."""

from __future__ import annotations

from resdsl.diagnostics import Code, Diagnostic


class RunProblem(Exception):
    """Something about an image, a model or its metadata; ``diagnostic`` says what, and the way out."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic

    @classmethod
    def of(cls, code: Code, message: str, *, notes: tuple[str, ...] = (), helps: tuple[str, ...] = ()) -> RunProblem:
        return cls(Diagnostic(code, message, notes=notes, helps=helps))


class EnvironmentProblem(RunProblem):
    """Something about this machine or what is installed on it, rather than about what was given."""
