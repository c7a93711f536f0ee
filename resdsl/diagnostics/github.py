"""Diagnostics as workflow commands, which GitHub Actions shows beside the changed lines of a pull request."""

from __future__ import annotations

from collections.abc import Iterable

from resdsl.diagnostics.diagnostic import Diagnostic
from resdsl.diagnostics.options import Spelling, in_python, with_spelling


def to_github(diagnostics: Iterable[Diagnostic], spelling: Spelling = in_python) -> str:
    """One ``::error file=..,line=..::message`` per line; empty if there are none. Options are in ``spelling``."""
    return "".join(f"{_command(with_spelling(diagnostic, spelling))}\n" for diagnostic in diagnostics)


def _command(diagnostic: Diagnostic) -> str:
    properties: dict[str, str | int] = {}
    lines = [diagnostic.message]
    if diagnostic.primary:
        span = diagnostic.primary.span
        first, last = span.source.position(span.start), span.source.position(span.end)
        properties |= {"file": span.source.name, "line": first.line, "endLine": last.line}
        # GitHub drops columns where the lines differ.
        if first.line == last.line:
            properties |= {"col": first.column, "endColumn": last.column}
        lines += [diagnostic.primary.text] if diagnostic.primary.text else []
    properties["title"] = f"resdsl {diagnostic.code.id}"
    lines += [*diagnostic.notes, *(f"help: {text}" for text in diagnostic.helps)]
    written = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::{diagnostic.severity.value} {written}::{_text(chr(10).join(lines))}"


def _text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _text(text).replace(":", "%3A").replace(",", "%2C")
