"""From text to the tokens that the grammar knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lark import Token

from resdsl.diagnostics import Source
from resdsl.syntax.tree import Comment

RESERVED = frozenset({"if", "else", "and", "or", "not", "true", "false"})
"""Keywords that cannot be names."""

END = "$END"
OPENING = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
CLOSING = frozenset(OPENING.values())

VALUE_STARTS = frozenset({
    "INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE", "NAME", "LPAR", "LSQB", "MINUS", "NOT", "BAD_VALUE",
    "LABEL", "BAD_STRING", "OPEN_STRING", "SINGLE_QUOTED", "BAD_NUMBER", "DOTTED_NAME", "FOREIGN_NAME",
})  # fmt: skip
"""Tokens that an expression can begin with, right or wrong."""

SLASH_COMMENT = "SLASH_COMMENT"
"""A comment that begins with ``//``."""

LOST_CLOSER = "LOST_CLOSER"
"""A closing bracket that closes nothing. Often a consequence of another mistake, which is told instead."""

_NEVER_BEFORE_OPERATOR = frozenset({"NEWLINE", "SEMICOLON", "LBRACE", "RBRACE", "COMMA", "LPAR", "LSQB"})
_BEFORE_BARE_EXPRESSIONS = frozenset({"CONST", "EXPECT", "IF", "ELSE", "FOR", "SHORTCUT"})

_JOINED_TO_THE_LINE_BEFORE = frozenset({"SHORTCUT", "ELSE", "ARROW"})
_STAGE_NAME = re.compile(
    # A hole belongs to the name where the name goes on behind it, or arguments or the body follow: `layer{i} {`.
    # `layer1{relu}` is a name and a body.
    r"(?:[A-Za-z0-9_]|\{[^{}#\n]{1,200}\}(?=[ \t]*[({]|[A-Za-z0-9_.{]))"
    r"(?:\.?[A-Za-z0-9_]|\.?\{[^{}#\n]{1,200}\}(?=[ \t]*[({]|[A-Za-z0-9_.{]))*"
)


def make_token(kind: str, text: str, start: int, like: Token) -> Token:
    """A token at an offset, on the line of another."""
    end = start + len(text)
    return Token(kind, text, start, like.line, like.column, like.end_line, like.end_column, end)


def retyped(token: Token, kind: str, text: str | None = None) -> Token:
    """What a token is taken for: of another kind, perhaps with another text, at the same place."""
    made = make_token(kind, str(token) if text is None else text, token.start_pos or 0, token)
    made.end_pos = token.end_pos
    return made


def inserted(kind: str, text: str, before: Token) -> Token:
    """A token that the text lacks, right before another; it takes no room."""
    made = make_token(kind, text, before.start_pos or 0, before)
    made.end_pos = before.start_pos
    return made


def separate_comments(tokens: Iterable[Token], source: Source) -> tuple[list[Token], tuple[Comment, ...]]:
    """Tokens and comments apart."""
    code: list[Token] = []
    comments: list[Comment] = []
    for token in tokens:
        if token.type != "COMMENT":
            code.append(token)
            continue
        own_line = not code or code[-1].type == "NEWLINE"
        start = token.start_pos or 0
        comments.append(Comment(token.rstrip(), own_line, span=source.span(start, start + len(token.rstrip()))))
    return code, tuple(comments)


def find_slash_comments(tokens: list[Token], text: str) -> list[Token]:
    """Make one token of what is meant as a comment but begins with ``//``: where no whole division can stand."""
    found: list[Token] = []
    depth = 0
    expects_expression = False
    skip_to = -1
    for token in tokens:
        start = token.start_pos or 0
        if start < skip_to:
            continue
        if token.type in {"NEWLINE", "SEMICOLON", "LBRACE", "RBRACE"}:
            expects_expression = False
        elif token.type in {"LPAR", "LSQB"}:
            depth += 1
        elif token.type in {"RPAR", "RSQB"}:
            depth = max(0, depth - 1)
        elif token.type in _BEFORE_BARE_EXPRESSIONS:
            expects_expression = True
        elif token.type == "DOUBLE_SLASH" and (
            not found or found[-1].type in _NEVER_BEFORE_OPERATOR or not (depth or expects_expression)
        ):
            line_end = text.find("\n", start)
            skip_to = len(text) if line_end < 0 else line_end
            comment = text[start:skip_to].rstrip()
            found.append(make_token(SLASH_COMMENT, comment, start, token))
            continue
        found.append(token)
    return found


def plain_kind(label: Token, keywords: Mapping[str, str]) -> str:
    """What a label is where no label can stand: ``image`` in ``input image: f32[...]``."""
    if label.isidentifier():
        return keywords.get(label, "NAME")
    return "INT" if label.isdigit() else "LABEL"


def join_stage_names(tokens: list[Token], text: str) -> list[Token]:
    """Make one LABEL_NAME of the pieces of a name behind ``stage``: ``layer{i}``, ``features.0``, ``add``."""
    joined: list[Token] = []
    position = 0
    while position < len(tokens):
        token = tokens[position]
        if joined and joined[-1].type == "STAGE" and not _is_value(joined):
            name = _STAGE_NAME.match(text, token.start_pos or 0)
            pieces = 0
            while name and position + pieces < len(tokens) and (tokens[position + pieces].end_pos or 0) <= name.end():
                pieces += 1
            if name and pieces and tokens[position + pieces - 1].end_pos == name.end():
                joined.append(make_token("LABEL_NAME", name.group(), name.start(), token))
                position += pieces
                continue
        joined.append(token)
        position += 1
    return joined


def _is_value(tokens: list[Token]) -> bool:
    """Whether the last token, ``stage``, is a value in an expression: ``pad if stage == 1``."""
    return len(tokens) > 1 and tokens[-2].type not in {"NEWLINE", "SEMICOLON", "LBRACE", "RBRACE", "COLON"}


def drop_newlines(tokens: list[Token]) -> list[Token]:
    """Only the new lines that end a statement. The brackets are balanced."""
    kept: list[Token] = []
    depths = [0]
    for token in tokens:
        if token.type == "NEWLINE":
            if depths[-1] or (kept and kept[-1].type == "NEWLINE"):
                continue
        elif token.type == "LBRACE":
            # Braces in parentheses are an enumeration, whose lines are those of the parentheses.
            depths.append(1 if depths[-1] else 0)
        elif token.type == "RBRACE":
            if len(depths) > 1:
                depths.pop()
        elif token.type in OPENING:
            depths[-1] += 1
        elif token.type in CLOSING:
            depths[-1] = max(0, depths[-1] - 1)
        elif token.type in _JOINED_TO_THE_LINE_BEFORE and kept and kept[-1].type == "NEWLINE":
            kept.pop()
        kept.append(token)
    return kept
