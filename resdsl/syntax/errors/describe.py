"""Describes tokens and expected terminals to the user."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from resdsl.syntax.token import Token

_OPERATORS = frozenset({
    "PLUS", "MINUS", "STAR", "SLASH", "DOUBLE_SLASH", "PERCENT", "EQUALITY", "ORDER", "OTHER_ORDER", "AND", "OR",
})  # fmt: skip
_VALUE = frozenset({
    "INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE", "NAME", "LPAR", "LSQB", "MINUS", "NOT", "BAD_VALUE",
})  # fmt: skip
_STATEMENT = frozenset({
    "LABEL", "STAGE", "AUX", "RESIDUAL", "CONCAT", "ADD", "MUL", "MEAN", "FROM", "FOR", "IF", "INPUT", "TAP", "OUTPUT",
    "CONST", "DEFAULT", "PREPROCESS", "LABELS", "EXPECT", "INT", "NAME", "LPAR", "LBRACE",
})  # fmt: skip
_DEFINITION = frozenset({"MODEL", "BLOCK", "USE", "CONST"})
_ENDS = frozenset({"NEWLINE", "SEMICOLON", "$END"})
_SILENT = frozenset({"ERROR", "BAD_VALUE"})

_WORDS = {
    "NAME": "a name",
    "LABEL": "a label",
    "LABEL_NAME": "a name",
    "INT": "an integer",
    "STRING": "a string in double quotes",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "COMMA": "`,`",
    "COLON": "`:`",
    "EQUAL": "`=`",
    "ARROW": "`->`",
    "DOTDOT": "`..`",
    "EQUALITY": "`==`",
    "ORDER": "`<=` or `>=`",
}


def shortened(text: str) -> str:
    """Text from the source, cut if it is long."""
    return text if len(text) <= 30 else f"{text[:27]}..."


def described(token: Token) -> str:
    """What to call an unexpected token."""
    if token.kind == "$END":
        return "the end of the file"
    # A token without text is a bracket that was inserted: the author sees the end of the line.
    if token.kind == "NEWLINE" or not token:
        return "the end of the line"
    return f"`{shortened(token)}`"


def expected(kinds: Iterable[str], keyword: Callable[[str], str | None]) -> str:
    """What was expected: ``a value, `)` or `,```; empty if nothing is known."""
    kinds = set(kinds) - _SILENT
    words: list[str] = []
    if kinds >= _DEFINITION:
        words.append("`model`, `block`, `use` or `const`")
        kinds -= _DEFINITION | _ENDS
    if {"STAGE", "RESIDUAL"} <= kinds:
        words.append("a statement")
        kinds -= _STATEMENT | _ENDS | {"RBRACE"}
    if {"INT", "STRING", "LSQB"} <= kinds:
        words.append("a value")
        kinds -= _VALUE
    if kinds & _OPERATORS - {"EQUALITY", "ORDER", "MINUS"} and not kinds <= _OPERATORS:
        # Any operator can follow a value; what ends it is more informative.
        kinds -= _OPERATORS | {"LSQB", "LPAR", "IF", "X"}
    if "NEWLINE" in kinds:
        kinds -= _ENDS | {"ARROW", "X", "RBRACE", "SHORTCUT", "ELSE", "LPAR"}
        words.append("the end of the statement")
    if "NAME" in kinds and "LABEL_NAME" in kinds:
        kinds.discard("LABEL_NAME")
    others = [_WORDS.get(kind) or f"`{keyword(kind) or kind.lower()}`" for kind in kinds - {"$END"}]
    words += sorted(others, key=lambda word: (word.startswith("`"), word))
    if "$END" in kinds:
        words.append("the end of the file")
    return either(words)


def either(words: list[str]) -> str:
    """``a, b or c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"
