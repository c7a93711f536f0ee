"""``# resdsl: allow W0502``: comments that silence a warning where it is meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from resdsl.diagnostics import Code, Source, Span
from resdsl.diagnostics.diagnostic import Severity
from resdsl.syntax import tree

_ALLOW = re.compile(r"#\s*resdsl:\s*allow\s+(?P<codes>W\d{4}(?:[\s,]+W\d{4})*)")


class Allowances:
    """The warnings that comments allow: after code for its own line, on a line of its own for the next line of code."""

    def __init__(self) -> None:
        self._allowed: set[tuple[int, int, str]] = set()

    def add(self, module: tree.Module) -> None:
        """Obey the comments of one more file."""
        self._allowed.update(
            (id(comment.span.source), line, code)
            for comment in module.comments
            for line, code in _allowed_by(comment, comment.span.source)
        )

    def silence(self, code: Code, span: Span | None) -> bool:
        """Whether a comment silences a diagnostic of this code that begins here. Errors are never silenced."""
        if span is None or code.severity is not Severity.WARNING:
            return False
        return (id(span.source), span.position.line, code.id) in self._allowed


def _allowed_by(comment: tree.Comment, source: Source) -> Iterator[tuple[int, str]]:
    match = _ALLOW.match(comment.text)
    if match is None:
        return
    line = comment.span.position.line
    if comment.own_line:
        line = next((after for after in range(line + 1, len(source.line_starts) + 1) if _has_code(source, after)), line)
    for code in re.findall(r"W\d{4}", match["codes"]):
        yield line, code


def _has_code(source: Source, line: int) -> bool:
    text = source.line(line).strip()
    return bool(text) and not text.startswith("#")
