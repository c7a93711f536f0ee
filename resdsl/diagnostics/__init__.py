"""Errors and warnings as data: spans, diagnostics, the catalogue of codes, and renderers."""

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
from resdsl.diagnostics.options import Option, Placeholder, Text
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
    "Option",
    "Placeholder",
    "Position",
    "ResdslError",
    "RunError",
    "Severity",
    "Source",
    "Span",
    "Text",
    "UnavailableError",
]
