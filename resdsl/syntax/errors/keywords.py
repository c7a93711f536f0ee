"""Keywords that are misspelt, from another language, or in the wrong context."""

from __future__ import annotations

from difflib import get_close_matches

from resdsl.diagnostics import Span, catalogue
from resdsl.syntax.errors.context import ErrorContext
from resdsl.syntax.errors.describe import described, shortened
from resdsl.syntax.errors.explanation import Explanation, Recognizer, Repair, explanation, replace_token
from resdsl.syntax.grammar import END, RESERVED
from resdsl.syntax.lexing import inserted, join_stage_names, retyped

_DEFINING = {
    "def": "block", "fn": "block", "func": "block", "function": "block", "define": "block", "module": "block",
    "class": "model", "net": "model", "network": "model", "graph": "model",
    "import": "use", "include": "use", "from": "use", "require": "use",
    "let": "const", "var": "const", "val": "const", "static": "const", "final": "const",
}  # fmt: skip
_FOLLOWED_BY_A_NAME = ("stage", "aux", "tap", "output", "const", "default", "expect", "input", "from", "for", "labels")
_FOLLOWED_BY_A_BODY = ("residual", "concat", "add", "mul", "mean", "preprocess")


def _keyword_at_top(context: ErrorContext) -> Explanation | None:
    """``modle resnet(...)``, ``def block(...)``, ``let width = 64`` outside of a body."""
    if not context.at_top or context.position != context.start or not context.token.isidentifier():
        return None
    word, name = str(context.token), context.after()
    if not (name.isidentifier() or name.kind == "STRING"):
        return None
    borrowed = _DEFINING.get(word.lower())
    close = get_close_matches(word.lower(), ("model", "block", "use", "const"), 1, 0.7)
    meant = borrowed or (close[0] if close else None)
    if meant is None or (meant == "use") != (name.kind == "STRING"):
        return None
    return _unknown_keyword(context, context.position, meant)


def _unknown_keyword(context: ErrorContext, position: int, meant: str) -> Explanation:
    token = context.tokens[position]
    span = context.span(token)
    kind = context.keywords.get(meant, "NAME")
    tokens = [retyped(token, kind)]
    end = position + 1
    if kind in {"STAGE", "AUX"}:
        rest = [tokens[0], *context.tokens[end : context.end]]
        tokens, end = join_stage_names(rest, context.source.text), context.end
    return explanation(
        f"`{shortened(token)}` is not a keyword",
        span,
        code=catalogue.UNKNOWN_KEYWORD,
        helps=(f"write `{meant}`" if str(token).lower() in _DEFINING else f"did you mean `{meant}`?",),
        fix=(f"write `{meant}`", [(span, meant)]),
        repair=Repair(position, end, tuple(tokens)),
    )


def _outside_of_a_body(context: ErrorContext) -> Explanation | None:
    if not context.at_top or context.position != context.start or context.kind in {"NEWLINE", END}:
        return None
    if not (context.token.isidentifier() or context.kind in {"LABEL", "LBRACE", "INT", "LPAR"}):
        return None
    return outside_of_a_body(context)


def outside_of_a_body(context: ErrorContext) -> Explanation:
    """A layer at the top of a file."""
    return explanation(
        f"{described(context.token)} cannot stand outside a `model` or `block`",
        context.here,
        helps=("a file holds `use`, `const`, `block` and `model`; layers are written in the braces of the last two",),
    )


def _head_keyword(context: ErrorContext) -> Explanation | None:
    """A word that was read as the call of a block, but is a keyword of another context, or meant as a keyword."""
    # `let x = 1` fails only after the `x`, which could have been that of a repeat.
    if context.at_top or not context.head < context.position <= context.head + 2:
        return None
    head, second = context.tokens[context.head], context.tokens[context.head + 1]
    span = context.span(head)
    match str(head):
        case "model" | "block" if second.isidentifier():
            return explanation(
                f"a `{head}` cannot be defined in a body", span, helps=("move it out to the top of the file",)
            )
        case "use" if second.kind == "STRING":
            return explanation("`use` belongs at the top of a file", span, helps=("move it out of the body",))
        case "shortcut":
            return _lonely_shortcut(span)
        case "elif" | "elseif" | "elsif":
            return _lonely_else(span)
        case "let" | "var" | "val" if second.isidentifier():
            return _unknown_keyword(context, context.head, "const")
        case _:
            return None


def _lonely_shortcut(span: Span) -> Explanation:
    return explanation(
        "`shortcut` without a residual",
        span,
        "no `residual { ... }` ends right before it",
        helps=("write `residual { ... } shortcut identity`, nothing in between",),
    )


def _shortcut_or_else(context: ErrorContext) -> Explanation | None:
    if context.kind == "SHORTCUT":
        return _lonely_shortcut(context.here)
    word = str(context.token)
    if word in {"elif", "elseif", "elsif"} and context.accepts("ELSE"):
        span = context.here
        start = inserted("ELSE", "else", context.token)
        return explanation(
            f"`{word}` is not a keyword",
            span,
            code=catalogue.UNKNOWN_KEYWORD,
            helps=("write `else if`",),
            fix=("write `else if`", [(span, "else if")]),
            repair=Repair(context.position, context.position + 1, (start, retyped(context.token, "IF"))),
        )
    return _lonely_else(context.here) if context.kind == "ELSE" else None


def _lonely_else(span: Span) -> Explanation:
    return explanation(
        f"`{span.text}` without an `if`",
        span,
        "no `if` ends right before it",
        helps=("write `if condition { ... } else { ... }`, nothing in between",),
    )


def _misspelt(context: ErrorContext) -> Explanation | None:
    """``stge layer1 {``, ``resdual {``, ``shotcut identity``."""
    if context.at_top:
        return None
    if context.token.isidentifier() and context.previous is not None and context.previous.kind == "RBRACE":
        options = [word for word in ("shortcut", "else") if context.accepts(context.keywords[word])]
        close = get_close_matches(context.token.lower(), options, 1, 0.7)
        if close and context.token != close[0]:
            return _unknown_keyword(context, context.position, close[0])
    head = context.tokens[context.head]
    if head.kind != "NAME" or str(head) in context.keywords:
        return None
    if context.kind == "LBRACE":
        options, cutoff = [*_FOLLOWED_BY_A_BODY, "if"], 0.7
    elif context.position == context.head + 1 and (context.token.isidentifier() or context.kind in {"LABEL", "STRING"}):
        is_loop = context.tokens[context.head + 2] == "in"
        options, cutoff = ["for"] if is_loop else list(_FOLLOWED_BY_A_NAME), 0.7 - 0.1 * is_loop
    else:
        return None
    close = get_close_matches(head.lower(), options, 1, cutoff)
    return _unknown_keyword(context, context.head, close[0]) if close else None


def _reserved_name(context: ErrorContext) -> Explanation | None:
    if context.token not in RESERVED or not context.accepts("NAME") or context.accepts("INT"):
        return None
    return explanation(
        f"`{context.token}` cannot be a name",
        context.here,
        "a word of the language's expressions",
        helps=("choose another name",),
        repair=replace_token(context, "NAME"),
    )


RECOGNIZERS: tuple[Recognizer, ...] = (
    _keyword_at_top,
    _outside_of_a_body,
    _head_keyword,
    _shortcut_or_else,
    _misspelt,
    _reserved_name,
)
"""In the order in which they are tried."""
