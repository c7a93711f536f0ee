"""Errors that the grammar allows."""

from __future__ import annotations

from resdsl.diagnostics import Diagnostic, Label, Span, catalogue
from resdsl.syntax import tree

COMPARISONS = frozenset({"==", "!=", "<", "<=", ">", ">="})


def nested_too_deep(span: Span, limit: int) -> Diagnostic:
    return Diagnostic(
        catalogue.LIMIT,
        f"this nests deeper than {limit} levels",
        Label(span),
        helps=("name parts of it with `const`, or move them into a `block`",),
    )


def number_too_large(span: Span) -> Diagnostic:
    return Diagnostic(
        catalogue.BAD_NUMBER, "this number is too large to be used", Label(span), helps=("write a smaller number",)
    )


def not_a_preprocessing_step(span: Span) -> Diagnostic:
    return Diagnostic(
        catalogue.UNEXPECTED_TEXT,
        "this is not a step of preprocessing",
        Label(span, "only calls can stand here"),
        helps=("`preprocess { ... }` takes calls such as `resize(256)`, `crop(224)` and `normalize(...)`",),
    )


def chained_comparison(left: tree.Binary, operator: Span, right: tree.Expression) -> Diagnostic:
    both = f"{left.span.text} and {left.right.span.text} {operator.text} {right.span.text}"
    return Diagnostic(
        catalogue.UNEXPECTED_TEXT,
        "comparisons do not chain",
        Label(operator, "the second comparison"),
        secondary=(Label(left.span, "this is true or false already"),),
        helps=(f"write `{both}`",),
    )
