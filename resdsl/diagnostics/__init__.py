"""Mistakes as data: spans, diagnostics, the catalogue of codes, and how they are drawn."""

from resdsl.diagnostics.diagnostic import (
    Call,
    Code,
    Diagnostic,
    Diagnostics,
    Edit,
    Fix,
    Label,
    Severity,
)
from resdsl.diagnostics.errors import CompileError, ResdslError, RunError, UnavailableError
from resdsl.diagnostics.source import Position, Source, Span

__all__ = [
    "Call",
    "Code",
    "CompileError",
    "Diagnostic",
    "Diagnostics",
    "Edit",
    "Fix",
    "Label",
    "Position",
    "ResdslError",
    "RunError",
    "Severity",
    "Source",
    "Span",
    "UnavailableError",
]
