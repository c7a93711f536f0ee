"""What is said of a syntax error, and how parsing goes on as if it were mended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from resdsl.diagnostics import Code, Diagnostic, Edit, Fix, Label, Span, catalogue
from resdsl.syntax.errors.context import ErrorContext
from resdsl.syntax.lexing import retyped
from resdsl.syntax.token import Token


@dataclass(frozen=True, slots=True)
class Repair:
    """Tokens ``[start, end)`` replaced by others.

    Parsing goes on at ``start``; where that lies before the error, the statement is read anew.
    """

    start: int
    end: int
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is said, and how to go on; without a repair the statement is skipped.

    ``is_certain``: whether it is a mistake of its own even on a line with a wrong bracket.
    """

    diagnostic: Diagnostic
    repair: Repair | None = None
    is_certain: bool = True


Recognizer = Callable[[ErrorContext], Explanation | None]
"""Knows one mistake by the tokens around it."""


def error(
    message: str,
    span: Span,
    label: str = "",
    *,
    code: Code = catalogue.UNEXPECTED_TEXT,
    secondary: Iterable[tuple[Span, str]] = (),
    helps: Iterable[str] = (),
    fix: tuple[str, Iterable[tuple[Span, str]]] | None = None,
) -> Diagnostic:
    ways_out = tuple(helps)
    return Diagnostic(
        code,
        message,
        Label(span, label),
        secondary=tuple(Label(*other) for other in secondary),
        helps=ways_out,
        fix=Fix(_title(fix[0], ways_out), tuple(Edit(*edit) for edit in fix[1])) if fix else None,
    )


def _title(title: str, helps: tuple[str, ...]) -> str:
    """What a fix does, in the words of the help that says it already."""
    return next((way_out for way_out in helps if way_out.startswith(("write `", "did you mean"))), title)


def replace_token(context: ErrorContext, kind: str) -> Repair:
    return Repair(context.position, context.position + 1, (retyped(context.token, kind),))
