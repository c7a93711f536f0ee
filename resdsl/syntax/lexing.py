"""From text to the tokens of the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from resdsl.diagnostics import Source
from resdsl.syntax.grammar import Grammar
from resdsl.syntax.token import Token
from resdsl.syntax.tree import Comment

OPENING = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
CLOSING = frozenset(OPENING.values())

VALUE_STARTS = frozenset({
    "INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE", "NAME", "LPAR", "LSQB", "MINUS", "NOT", "BAD_VALUE",
    "LABEL", "BAD_STRING", "OPEN_STRING", "SINGLE_QUOTED", "BAD_NUMBER", "DOTTED_NAME", "FOREIGN_NAME",
})  # fmt: skip
"""Tokens that an expression can start with, valid or not."""

SLASH_COMMENT = "SLASH_COMMENT"
"""A comment that begins with ``//``."""

LOST_CLOSER = "LOST_CLOSER"
"""A closing bracket that closes nothing. It is often a consequence of another error, which is reported instead."""

INVALID = frozenset({
    "BAD_STRING", "OPEN_STRING", "SINGLE_QUOTED", "BAD_NUMBER", "FOREIGN_NAME", "FOREIGN_OPERATOR", "STRAY",
    SLASH_COMMENT, LOST_CLOSER,
})  # fmt: skip
"""Tokens that are errors wherever they occur."""

_NEVER_BEFORE_OPERATOR = frozenset({"NEWLINE", "SEMICOLON", "LBRACE", "RBRACE", "COMMA", "LPAR", "LSQB"})
_BEFORE_BARE_EXPRESSIONS = frozenset({"CONST", "EXPECT", "IF", "ELSE", "FOR", "SHORTCUT"})

_BEFORE_STATEMENTS = frozenset({"SEMICOLON", "LBRACE", "RBRACE", "COLON"})
_WORD_OPERATORS = frozenset({"IF", "ELSE", "AND", "OR"})
_BEFORE_VALUES = _WORD_OPERATORS | {
    "LPAR", "LSQB", "COMMA", "EQUAL", "NOT", "PLUS", "MINUS", "STAR", "SLASH", "DOUBLE_SLASH", "PERCENT",
    "EQUALITY", "ORDER", "OTHER_ORDER",
}  # fmt: skip

_JOINED_TO_THE_LINE_BEFORE = frozenset({"SHORTCUT", "ELSE", "ARROW"})
_STAGE_NAME = re.compile(
    # A hole is part of the name if the name continues after it, or arguments or the body follow: `layer{i} {`.
    # `layer1{relu}` is a name and a body.
    r"(?:[A-Za-z0-9_]|\{[^{}#\n]{1,200}\}(?=[ \t]*[({]|[A-Za-z0-9_.{]))"
    r"(?:\.?[A-Za-z0-9_]|\.?\{[^{}#\n]{1,200}\}(?=[ \t]*[({]|[A-Za-z0-9_.{]))*"
)


def lex(text: str, grammar: Grammar) -> list[Token]:
    """All tokens of a text except blanks. Never fails: invalid text makes tokens too."""
    tokens: list[Token] = []
    keywords, new = grammar.keywords, str.__new__
    line, before_line = 1, -1
    for match in grammar.pattern.finditer(text):
        kind = match.lastgroup
        if kind is None:
            break
        start, end = match.span(kind)
        piece = text[start:end]
        if kind == "NAME":
            kind = keywords.get(piece, kind)
        # As `Token` does, without the call: lexing is a tenth of the time that a long text takes.
        token = new(Token, piece)
        token.kind = kind
        token.start = start
        token.end = end
        token.line = line
        token.column = start - before_line
        tokens.append(token)
        if kind == "NEWLINE":
            line, before_line = line + 1, end - 1
    return tokens


def make_token(kind: str, text: str, start: int, like: Token) -> Token:
    """A token at an offset, on the line of another token."""
    return Token(kind, text, start, start + len(text), like.line, like.column)


def retyped(token: Token, kind: str, text: str | None = None) -> Token:
    """The token with another kind, and perhaps another text, at the same position."""
    return Token(kind, str(token) if text is None else text, token.start, token.end, token.line, token.column)


def inserted(kind: str, text: str, before: Token) -> Token:
    """A token that is missing in the text, right before another; it has no width."""
    return Token(kind, text, before.start, before.start, before.line, before.column)


def separate_comments(tokens: Iterable[Token], source: Source) -> tuple[list[Token], tuple[Comment, ...]]:
    """The tokens without comments, and the comments."""
    code: list[Token] = []
    comments: list[Comment] = []
    for token in tokens:
        if token.kind != "COMMENT":
            code.append(token)
            continue
        own_line = not code or code[-1].kind == "NEWLINE"
        start = token.start
        comments.append(Comment(token.rstrip(), own_line, span=source.span(start, start + len(token.rstrip()))))
    return code, tuple(comments)


def find_slash_comments(tokens: list[Token], text: str) -> list[Token]:
    """Replace ``// ...`` by one token where no integer division is possible: it is meant as a comment."""
    kept: list[Token] = []
    depth = 0
    expects_expression = False
    skip_to = -1
    for token in tokens:
        start = token.start
        if start < skip_to:
            continue
        if token.kind in {"NEWLINE", "SEMICOLON", "LBRACE", "RBRACE"}:
            expects_expression = False
        elif token.kind in {"LPAR", "LSQB"}:
            depth += 1
        elif token.kind in {"RPAR", "RSQB"}:
            depth = max(0, depth - 1)
        elif token.kind in _BEFORE_BARE_EXPRESSIONS:
            expects_expression = True
        elif token.kind == "DOUBLE_SLASH" and (
            not kept or kept[-1].kind in _NEVER_BEFORE_OPERATOR or not (depth or expects_expression)
        ):
            line_end = text.find("\n", start)
            skip_to = len(text) if line_end < 0 else line_end
            comment = text[start:skip_to].rstrip()
            kept.append(make_token(SLASH_COMMENT, comment, start, token))
            continue
        kept.append(token)
    return kept


def plain_kind(label: Token, keywords: Mapping[str, str]) -> str:
    """The kind of a label where the parser accepts no label: ``image`` in ``input image: f32[...]``."""
    if label.isidentifier():
        return keywords.get(label, "NAME")
    return "INT" if label.isdigit() else "LABEL"


def join_stage_names(tokens: list[Token], text: str) -> list[Token]:
    """Join the parts of the name after ``stage`` or ``aux`` into one LABEL_NAME: ``layer{i}``, ``features.0``, ``add``.

    An ``aux`` that no name follows is a name itself: the call of a block, or the count of a repeat.
    """
    joined: list[Token] = []
    rest = 0
    for position, token in enumerate(tokens):
        if token.kind not in {"STAGE", "AUX"} or position < rest:
            continue
        joined += tokens[rest : position + 1]
        rest = position + 1
        if rest == len(tokens) or _is_value(joined, tokens[rest]):
            continue
        if token.kind == "AUX" and not _is_named(tokens, rest):
            joined[-1] = retyped(token, "NAME")
            continue
        name = _STAGE_NAME.match(text, tokens[rest].start)
        end = rest
        while name and end < len(tokens) and tokens[end].end <= name.end():
            end += 1
        if name and end > rest and tokens[end - 1].end == name.end():
            joined.append(make_token("LABEL_NAME", name.group(), name.start(), tokens[rest]))
            rest = end
    return joined + tokens[rest:]


def _is_value(tokens: list[Token], following: Token) -> bool:
    """Whether the last token, ``stage`` or ``aux``, is a value in an expression: ``pad if stage == 1``."""
    if len(tokens) < 2 or tokens[-2].kind in _BEFORE_STATEMENTS:
        return False
    if tokens[-2].kind != "NEWLINE":
        return True
    # In brackets an expression may go on in the next line. A name that follows, as in `conv(` and `stage layer1`, says
    # that a closing bracket is missing.
    before = next((token for token in reversed(tokens[:-1]) if token.kind != "NEWLINE"), None)
    return before is not None and before.kind in _BEFORE_VALUES and following.kind in _WORD_OPERATORS


def _is_named(tokens: list[Token], start: int) -> bool:
    """Whether the tokens after ``aux`` can be its name."""
    if tokens[start].kind in {"LPAR", "NEWLINE", "SEMICOLON", "RBRACE", "ARROW"}:
        return False
    is_repeat = tokens[start] == "x" and start + 1 < len(tokens) and tokens[start + 1].isidentifier()
    return not is_repeat


def drop_newlines(tokens: list[Token]) -> list[Token]:
    """Drop the line ends that do not terminate a statement. The brackets are balanced."""
    kept: list[Token] = []
    depths = [0]
    for token in tokens:
        if token.kind == "NEWLINE":
            if depths[-1] or (kept and kept[-1].kind == "NEWLINE"):
                continue
        elif token.kind == "LBRACE":
            # Braces in parentheses are an enumeration: line ends in them are those in the parentheses.
            depths.append(1 if depths[-1] else 0)
        elif token.kind == "RBRACE":
            if len(depths) > 1:
                depths.pop()
        elif token.kind in OPENING:
            depths[-1] += 1
        elif token.kind in CLOSING:
            depths[-1] = max(0, depths[-1] - 1)
        elif token.kind in _JOINED_TO_THE_LINE_BEFORE and kept and kept[-1].kind == "NEWLINE":
            kept.pop()
        kept.append(token)
    return kept
