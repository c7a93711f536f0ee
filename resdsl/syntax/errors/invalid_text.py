"""Text that is invalid in any context: its error, and the tokens that replace it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from resdsl.diagnostics import Diagnostic, Edit, Fix, Label, Source, Span, catalogue
from resdsl.syntax.lexing import LOST_CLOSER, SLASH_COMMENT, make_token, retyped
from resdsl.syntax.token import Token

# Characters that look like another one, or have its meaning elsewhere.
_INSTEAD = {
    "×": "x",  # U+00D7
    "✕": "x",
    "∗": "*",
    "·": "*",
    "÷": "/",
    "−": "-",
    "–": "-",
    "—": "-",
    "→": "->",
    "⇒": "->",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "＝": "=",
    "：": ":",
    "，": ",",
    "；": ";",
    "（": "(",
    "）": ")",
    "…": "..",
    "\N{NO-BREAK SPACE}": " ",
    "\N{NARROW NO-BREAK SPACE}": " ",
    "\N{THIN SPACE}": " ",
    "\N{IDEOGRAPHIC SPACE}": " ",
    "\N{ZERO WIDTH SPACE}": "",
    "\N{ZERO WIDTH NO-BREAK SPACE}": "",
    "\N{LEFT-TO-RIGHT MARK}": "",
    "\N{RIGHT-TO-LEFT MARK}": "",
    "\N{LINE SEPARATOR}": "\n",
    "\N{PARAGRAPH SEPARATOR}": "\n",
    "\N{NEXT LINE}": "\n",
    "“": '"',
    "”": '"',
    "„": '"',
    "«": '"',
    "»": '"',
    "‘": '"',
    "’": '"',
}
_HELPS = {
    "?": "write `a if condition else b`",
    "@": "names of tensors come from labels: `conv1: conv(64, 7x7)`",
    "\\": "lines inside brackets continue without a mark; elsewhere a statement is one line",
    "'": 'strings are written in double quotes: `"imagenet1k"`',
    "&": "write `and`",
    "|": "write `or`",
    "^": "there is no power operator: multiply",
    ".": "a point is only used in numbers (`0.5`), labels (`a.b: ...`) and ranges (`1..3`)",
}
_OPERATORS = {
    "&&": ("AND", "and"),
    "||": ("OR", "or"),
    "!": ("NOT", "not "),
    ":=": ("EQUAL", "="),
    "=>": ("ARROW", "->"),
    "...": ("DOTDOT", ".."),
}

_SHOUTED = re.compile(r"[0-9][0-9_]*(?:\.[0-9]+)?[mgXx][0-9]*")
_REPEAT = re.compile(r"([0-9]+)x([A-Za-z_]\w*)?")
_SIZES = re.compile(r"[0-9]+(?:x[0-9]+){2,}")

_LINE = frozenset({"NEWLINE"})
_STATEMENT = frozenset({"NEWLINE", "SEMICOLON"})


@dataclass(frozen=True, slots=True)
class InvalidText:
    """The error, and the tokens that the parser reads instead.

    ``doubtful_until``: the kinds of tokens up to which further errors are not reported; ``is_certain``: whether the
    error is reported even right after another one.
    """

    diagnostic: Diagnostic
    instead: tuple[Token, ...]
    doubtful_until: frozenset[str] = frozenset()
    is_certain: bool = True


def invalid_text(token: Token, source: Source) -> InvalidText:
    """The error of a token of a kind in `resdsl.syntax.lexing.INVALID`."""
    span = source.span(token.start, token.end)
    match token.kind:
        case "BAD_STRING":
            return _bad_escape(token, span)
        case "OPEN_STRING":
            return _open_string(token, span)
        case "SINGLE_QUOTED":
            return _single_quoted(token, span)
        case "BAD_NUMBER":
            return InvalidText(_bad_number(token, span), _bad_number_instead(token))
        case "FOREIGN_NAME":
            return _foreign_name(token, span)
        case "FOREIGN_OPERATOR":
            return _foreign_operator(token, span)
        case "STRAY":
            return _stray(token, span)
        case _ if token.kind == SLASH_COMMENT:
            return _slash_comment(span)
        case _ if token.kind == LOST_CLOSER:
            return _lost_closer(token, span)
        case kind:
            raise ValueError(f"{kind} is not an invalid token")


def _bad_escape(token: Token, span: Span) -> InvalidText:
    escape = re.search(r'\\[^"\\]', token)
    start = span.start + (escape.start() if escape else 0)
    written = token[escape.start() : escape.end()] if escape else "\\"
    diagnostic = Diagnostic(
        catalogue.BAD_STRING,
        f"strings have no escape `{written}`",
        Label(Span(span.source, start, start + len(written))),
        helps=('a backslash is written `\\\\` and a quote `\\"`; parts of a path are divided by `/`',),
    )
    return InvalidText(diagnostic, (retyped(token, "STRING"),))


def _open_string(token: Token, span: Span) -> InvalidText:
    diagnostic = Diagnostic(
        catalogue.UNTERMINATED_STRING,
        "this string is never closed",
        Label(span),
        helps=('close it with `"` on the same line',),
    )
    return InvalidText(diagnostic, (retyped(token, "STRING", f'{token}"'),), _LINE)


def _single_quoted(token: Token, span: Span) -> InvalidText:
    text = token[1:-1].replace("\\", "\\\\").replace('"', '\\"')
    diagnostic = Diagnostic(
        catalogue.BAD_STRING,
        "strings are written in double quotes",
        Label(span),
        helps=(f'write `"{text}"`',),
        fix=Fix(f'write `"{text}"`', (Edit(span, f'"{text}"'),)),
    )
    return InvalidText(diagnostic, (retyped(token, "STRING", f'"{text}"'),))


def _bad_number(token: Token, span: Span) -> Diagnostic:
    message, suggestion, new_text = f"`{_short(token)}` is not a number", "", None
    if _SIZES.fullmatch(token):
        message = f"`{_short(token)}` has more than two sides"
        suggestion = "a size is height x width: `3x3`"
    elif repeat := _REPEAT.fullmatch(token):
        message = f"`{_short(token)}` is neither a number nor a size"
        callee = repeat[2]
        suggestion = f"a repeat is written with spaces: `{repeat[1]} x {callee or 'block(...)'}`"
        if callee:
            new_text = f"{repeat[1]} x {callee}"
        else:
            suggestion += "; a size has two sides: `3x3`"
    elif _SHOUTED.fullmatch(token):
        new_text = token.replace("X", "x") if "X" in token else token.upper()
        if new_text == token or new_text.endswith("x"):
            new_text = None
        suggestion = f"write `{new_text}`" if new_text else "a size has two sides: `3x3`"
    elif "_" in token and token.replace("_", "").replace(".", "").isdigit():
        new_text = re.sub(r"_+", "_", token).strip("_").replace("_.", ".").replace("._", ".")
        suggestion = f"only single underscores are allowed between digits: `{_short(new_text)}`"
    elif token.startswith("."):
        new_text = f"0{token}" if token[1:].isdigit() else None
        suggestion = f"write `0{_short(token)}`" if new_text else "a number begins with a digit"
    elif token.endswith(".") and token[:-1].isdigit():
        new_text = f"{token}0"
        suggestion = f"write `{_short(new_text)}`"
    elif token.count(".") > 1:
        suggestion = "a number has one point; a label such as `layer1.0` ends with `:`"
    else:
        suggestion = "a name begins with a letter; a number is `64`, `1_000`, `0.1`, `1e-3` or `11.5G`, a size `3x3`"
    fix = Fix(suggestion, (Edit(span, new_text),)) if new_text else None
    return Diagnostic(catalogue.BAD_NUMBER, message, Label(span), helps=(suggestion,), fix=fix)


def _bad_number_instead(token: Token) -> tuple[Token, ...]:
    repeat = _REPEAT.fullmatch(token)
    if repeat is None:
        return (retyped(token, "BAD_VALUE"),)
    start = token.start
    pieces = [make_token("INT", repeat[1], start, token), make_token("X", "x", start + repeat.end(1), token)]
    if repeat[2]:
        pieces.append(make_token("NAME", repeat[2], start + repeat.start(2), token))
    return tuple(pieces)


def _foreign_name(token: Token, span: Span) -> InvalidText:
    strange = next(index for index, character in enumerate(token) if not character.isascii())
    diagnostic = Diagnostic(
        catalogue.UNKNOWN_CHARACTER,
        f"`{_short(token)}` has letters that names cannot have",
        Label(Span(span.source, span.start + strange, span.start + strange + 1), "not one of A-Z, a-z, 0-9 and _"),
        helps=("names become names of tensors, which other programs read: write them in ASCII",),
    )
    return InvalidText(diagnostic, (retyped(token, "NAME"),))


def _foreign_operator(token: Token, span: Span) -> InvalidText:
    if known := _OPERATORS.get(token):
        kind, ours = known
        diagnostic = Diagnostic(
            catalogue.UNEXPECTED_TEXT,
            f"there is no operator `{token}`",
            Label(span),
            helps=(f"write `{ours.strip()}`",),
            fix=Fix(f"write `{ours.strip()}`", (Edit(span, ours),)),
        )
        return InvalidText(diagnostic, (retyped(token, kind),))
    suggestion = {
        "**": "there is no power operator: multiply",
        "::": "names have no parts; a label ends with one `:`",
    }.get(token, "a `const` is given once; write the whole expression")
    diagnostic = Diagnostic(
        catalogue.UNEXPECTED_TEXT, f"there is no operator `{token}`", Label(span), helps=(suggestion,)
    )
    return InvalidText(diagnostic, (), _STATEMENT)


def _stray(token: Token, span: Span) -> InvalidText:
    first = token[0]
    character = Span(span.source, span.start, span.start + 1)
    name = f"U+{ord(first):04X}"
    shown = f"`{first}`" if first.isprintable() and first != " " else "the invisible character"
    message = (
        f"{shown} ({name}) is not used in this language"
        if not first.isascii() or not first.isprintable()
        else (f"`{first}` is not used here" if first == "." else f"`{first}` is not used in this language")
    )
    helps: tuple[str, ...] = ()
    fix = None
    instead = _INSTEAD.get(first)
    if instead == "x" and not _is_between_digits(span):
        instead = "*"
    if instead is not None:
        what = {"": "nothing", " ": "an ordinary space", "\n": "a new line"}.get(instead, f"`{instead}`")
        helps = (f"write {what} instead",)
        fix = Fix(f"write {what} instead", (Edit(character, instead),))
    elif first in _HELPS:
        helps = (_HELPS[first],)
    elif not first.isprintable():
        helps = ("remove it; is this a text file?",)
    diagnostic = Diagnostic(catalogue.UNKNOWN_CHARACTER, message, Label(character), helps=helps, fix=fix)
    return InvalidText(diagnostic, (), frozenset() if instead in {"", " "} else _STATEMENT)


def _is_between_digits(span: Span) -> bool:
    text = span.source.text
    return text[max(0, span.start - 1) : span.start].isdigit() and text[span.end : span.end + 1].isdigit()


def _slash_comment(span: Span) -> InvalidText:
    mark = Span(span.source, span.start, span.start + 2)
    diagnostic = Diagnostic(
        catalogue.UNEXPECTED_TEXT,
        "a comment begins with `#`",
        Label(mark, "divides integers, between two of them"),
        helps=("write `#` in place of `//`",),
        fix=Fix("write `#` in place of `//`", (Edit(mark, "#"),)),
    )
    return InvalidText(diagnostic, (), is_certain=False)


def _lost_closer(token: Token, span: Span) -> InvalidText:
    suggestion = "remove it, or open the bracket that it should close"
    diagnostic = Diagnostic(
        catalogue.UNEXPECTED_TEXT,
        f"this `{token}` closes nothing",
        Label(span),
        helps=(suggestion,),
        fix=Fix(suggestion, (Edit(span, ""),)),
    )
    return InvalidText(diagnostic, (), is_certain=False)


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:27]}..."
