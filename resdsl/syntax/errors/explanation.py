"""The explanation of a syntax error, and the repair with which parsing is resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from resdsl.diagnostics import Code, Diagnostic, Edit, Fix, Label, Span, catalogue
from resdsl.syntax.errors.context import ErrorContext
from resdsl.syntax.lexing import retyped
from resdsl.syntax.token import Token


@dataclass(frozen=True, slots=True)
class Repair:
    """Replaces the tokens ``[start, end)`` by others.

    Parsing is resumed at ``start``; if that is before the error, the statement is parsed again.
    """

    start: int
    end: int
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The error to report, and how to resume; without a repair the statement is skipped.

    ``is_certain``: whether it is reported even on a line with an unmatched bracket.
    """

    diagnostic: Diagnostic
    repair: Repair | None = None
    is_certain: bool = True


Recognizer = Callable[[ErrorContext], Explanation | None]
"""Recognizes one kind of error by the tokens around it."""


def explanation(
    message: str,
    span: Span,
    label: str = "",
    *,
    code: Code = catalogue.UNEXPECTED_TEXT,
    secondary: Iterable[tuple[Span, str]] = (),
    helps: Iterable[str] = (),
    fix: tuple[str, Iterable[tuple[Span, str]]] | None = None,
    repair: Repair | None = None,
    is_certain: bool = True,
) -> Explanation:
    """An explanation whose diagnostic is made from these parts."""
    suggestions = tuple(helps)
    diagnostic = Diagnostic(
        code,
        message,
        Label(span, label),
        secondary=tuple(Label(*other) for other in secondary),
        helps=suggestions,
        fix=Fix(_title(fix[0], suggestions), tuple(Edit(*edit) for edit in fix[1])) if fix else None,
    )
    return Explanation(diagnostic, repair, is_certain)


def _title(title: str, helps: tuple[str, ...]) -> str:
    """The title of a fix: the help that describes the same change, if there is one."""
    return next((suggestion for suggestion in helps if suggestion.startswith(("write `", "did you mean"))), title)


def replace_token(context: ErrorContext, kind: str) -> Repair:
    return Repair(context.position, context.position + 1, (retyped(context.token, kind),))
