"""What the author probably meant, or else what was expected."""

from __future__ import annotations

from resdsl.syntax.errors import keywords, lists, repeats, statements, values
from resdsl.syntax.errors.context import ErrorContext
from resdsl.syntax.errors.describe import described, expected, shortened
from resdsl.syntax.errors.explanation import Explanation, explanation
from resdsl.syntax.grammar import END

_RECOGNIZERS = (
    *keywords.RECOGNIZERS,
    *lists.RECOGNIZERS,
    *values.RECOGNIZERS,
    *repeats.RECOGNIZERS,
    *statements.RECOGNIZERS,
)


def explain(context: ErrorContext) -> Explanation:
    """The explanation of an error."""
    for recognizer in _RECOGNIZERS:
        explained = recognizer(context)
        if explained is not None:
            return explained
    return _anything_else(context)


def _anything_else(context: ErrorContext) -> Explanation:
    """What was expected, and what was found."""
    wanted = _wanted(context)
    what = (
        "the end of the label's braces"
        if context.in_hole and context.kind in {"NEWLINE", END}
        else described(context.token)
    )
    previous = context.previous
    where = f" after `{shortened(previous)}`" if previous and previous.kind != "NEWLINE" else ""
    message = f"expected {wanted}{where}, found {what}" if wanted else f"{what} does not belong here"
    return explanation(message, context.here, is_certain=False)


def _wanted(context: ErrorContext) -> str:
    names = {kind: word for word, kind in context.keywords.items()}
    return expected(context.parser.accepted(), names.get)
