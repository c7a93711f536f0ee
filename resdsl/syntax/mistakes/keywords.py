"""Keywords that are misspelt, borrowed from another language, or stand where they mean nothing."""

from __future__ import annotations

from difflib import get_close_matches

from resdsl.diagnostics import Span, catalogue
from resdsl.syntax.lexing import RESERVED, inserted, join_stage_names, retyped
from resdsl.syntax.mistakes.explanation import Explanation, Recognizer, Repair, error, replace_token
from resdsl.syntax.place import Place
from resdsl.syntax.tables import END
from resdsl.syntax.wording import found, shown

_DEFINING = {
    "def": "block", "fn": "block", "func": "block", "function": "block", "define": "block", "module": "block",
    "class": "model", "net": "model", "network": "model", "graph": "model",
    "import": "use", "include": "use", "from": "use", "require": "use",
    "let": "const", "var": "const", "val": "const", "static": "const", "final": "const",
}  # fmt: skip
_FOLLOWED_BY_A_NAME = ("stage", "tap", "output", "const", "default", "expect", "input", "from", "for", "labels")
_FOLLOWED_BY_A_BODY = ("residual", "concat", "add", "mul", "mean", "preprocess")


def _keyword_at_top(place: Place) -> Explanation | None:
    """``modle resnet(...)``, ``def block(...)``, ``let width = 64`` outside of a body."""
    if not place.at_top or place.position != place.start or not place.token.isidentifier():
        return None
    word, name = str(place.token), place.after()
    if not (name.isidentifier() or name.kind == "STRING"):
        return None
    borrowed = _DEFINING.get(word.lower())
    close = get_close_matches(word.lower(), ("model", "block", "use", "const"), 1, 0.7)
    meant = borrowed or (close[0] if close else None)
    if meant is None or (meant == "use") != (name.kind == "STRING"):
        return None
    return _unknown_keyword(place, place.position, meant)


def _unknown_keyword(place: Place, position: int, meant: str) -> Explanation:
    token = place.tokens[position]
    span = place.span(token)
    diagnostic = error(
        f"`{shown(token)}` is not a keyword",
        span,
        code=catalogue.UNKNOWN_KEYWORD,
        helps=(f"write `{meant}`" if str(token).lower() in _DEFINING else f"did you mean `{meant}`?",),
        fix=(f"write `{meant}`", [(span, meant)]),
    )
    kind = place.keywords.get(meant, "NAME")
    tokens = [retyped(token, kind)]
    end = position + 1
    if kind == "STAGE":
        rest = [tokens[0], *place.tokens[end : place.end]]
        tokens, end = join_stage_names(rest, place.source.text), place.end
    return Explanation(diagnostic, Repair(position, end, tuple(tokens)))


def _outside_of_a_body(place: Place) -> Explanation | None:
    if not place.at_top or place.position != place.start or place.kind in {"NEWLINE", END}:
        return None
    if not (place.token.isidentifier() or place.kind in {"LABEL", "LBRACE", "INT", "LPAR"}):
        return None
    return outside_of_a_body(place)


def outside_of_a_body(place: Place) -> Explanation:
    """A layer at the top of a file."""
    return Explanation(
        error(
            f"{found(place.token)} cannot stand outside a `model` or `block`",
            place.here,
            helps=("a file holds `use`, `const`, `block` and `model`; layers stand in the braces of the last two",),
        )
    )


def _head_keyword(place: Place) -> Explanation | None:
    """A word that was read as the call of a block, but is a keyword of another place, or meant as a keyword."""
    # `let x = 1` goes wrong only behind the `x`, which could have been that of a repeat.
    if place.at_top or not place.head < place.position <= place.head + 2:
        return None
    head, second = place.tokens[place.head], place.tokens[place.head + 1]
    span = place.span(head)
    match str(head):
        case "model" | "block" if second.isidentifier():
            return Explanation(
                error(f"a `{head}` cannot be defined in a body", span, helps=("move it out to the top of the file",))
            )
        case "use" if second.kind == "STRING":
            return Explanation(error("`use` stands at the top of a file", span, helps=("move it out of the body",)))
        case "shortcut":
            return _lonely_shortcut(span)
        case "elif" | "elseif" | "elsif":
            return _lonely_else(span)
        case "let" | "var" | "val" if second.isidentifier():
            return _unknown_keyword(place, place.head, "const")
        case _:
            return None


def _lonely_shortcut(span: Span) -> Explanation:
    return Explanation(
        error(
            "`shortcut` without a residual",
            span,
            "no `residual { ... }` ends right before it",
            helps=("write `residual { ... } shortcut identity`, nothing in between",),
        )
    )


def _shortcut_or_else(place: Place) -> Explanation | None:
    if place.kind == "SHORTCUT":
        return _lonely_shortcut(place.here)
    word = str(place.token)
    if word in {"elif", "elseif", "elsif"} and place.accepts("ELSE"):
        span = place.here
        start = inserted("ELSE", "else", place.token)
        return Explanation(
            error(
                f"`{word}` is not a keyword",
                span,
                code=catalogue.UNKNOWN_KEYWORD,
                helps=("write `else if`",),
                fix=("write `else if`", [(span, "else if")]),
            ),
            Repair(place.position, place.position + 1, (start, retyped(place.token, "IF"))),
        )
    return _lonely_else(place.here) if place.kind == "ELSE" else None


def _lonely_else(span: Span) -> Explanation:
    return Explanation(
        error(
            f"`{span.text}` without an `if`",
            span,
            "no `if` ends right before it",
            helps=("write `if condition { ... } else { ... }`, nothing in between",),
        )
    )


def _misspelt(place: Place) -> Explanation | None:
    """``stge layer1 {``, ``resdual {``, ``shotcut identity``."""
    if place.at_top:
        return None
    if place.token.isidentifier() and place.previous is not None and place.previous.kind == "RBRACE":
        options = [word for word in ("shortcut", "else") if place.accepts(place.keywords[word])]
        close = get_close_matches(place.token.lower(), options, 1, 0.7)
        if close and place.token != close[0]:
            return _unknown_keyword(place, place.position, close[0])
    head = place.tokens[place.head]
    if head.kind != "NAME" or str(head) in place.keywords:
        return None
    if place.kind == "LBRACE":
        options, cutoff = [*_FOLLOWED_BY_A_BODY, "if"], 0.7
    elif place.position == place.head + 1 and (place.token.isidentifier() or place.kind in {"LABEL", "STRING"}):
        options, cutoff = list(_FOLLOWED_BY_A_NAME), 0.7
    else:
        return None
    close = get_close_matches(head.lower(), options, 1, cutoff)
    return _unknown_keyword(place, place.head, close[0]) if close else None


def _reserved_name(place: Place) -> Explanation | None:
    if place.token not in RESERVED or not place.accepts("NAME") or place.accepts("INT"):
        return None
    return Explanation(
        error(
            f"`{place.token}` cannot be a name",
            place.here,
            "a word of the language's expressions",
            helps=("choose another name",),
        ),
        replace_token(place, "NAME"),
    )


RECOGNIZERS: tuple[Recognizer, ...] = (
    _keyword_at_top,
    _outside_of_a_body,
    _head_keyword,
    _shortcut_or_else,
    _misspelt,
    _reserved_name,
)
"""In the order in which they are asked."""
