"""The context of a syntax error: the tokens around it, and what the parser expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from resdsl.diagnostics import Source, Span
from resdsl.syntax.grammar import END, HOLE
from resdsl.syntax.lexing import CLOSING, OPENING
from resdsl.syntax.parser_state import ParserState
from resdsl.syntax.token import Token


@dataclass(frozen=True)
class ErrorContext:
    """An error at the token at ``position``, which the parser did not accept."""

    tokens: Sequence[Token]
    position: int
    parser: ParserState
    source: Source
    keywords: Mapping[str, str] = field(repr=False)

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    @property
    def kind(self) -> str:
        return self.token.kind

    @property
    def previous(self) -> Token | None:
        """The token before, in the same statement."""
        return self.tokens[self.position - 1] if self.position > self.start else None

    def after(self, distance: int = 1) -> Token:
        """A token after the error."""
        return self.tokens[min(self.position + distance, len(self.tokens) - 1)]

    @cached_property
    def start(self) -> int:
        """The position of the statement's first token."""
        if self.in_hole:
            return 0
        offset = self.parser.unwound_from("ERROR")
        position = self.position
        if offset is None:
            return position
        while position > 0 and self.tokens[position - 1].start >= offset:
            position -= 1
        return position

    @cached_property
    def head(self) -> int:
        """The position of the first token after the statement's label."""
        kinds = [token.kind for token in self.tokens[self.start : self.start + 2]]
        return self.start + 2 if kinds == ["LABEL", "COLON"] else self.start

    @cached_property
    def at_top(self) -> bool:
        """Whether the statement is outside of all bodies."""
        return self.parser.unwound_accepts("ERROR", "MODEL")

    @property
    def in_hole(self) -> bool:
        """Whether this is the inside of a label's braces."""
        return self.parser.start == HOLE

    @cached_property
    def bracket(self) -> Token | None:
        """The innermost open bracket of the statement."""
        stack: list[Token] = []
        for token in self.tokens[self.start : self.position]:
            if token.kind in OPENING:
                stack.append(token)
            elif token.kind in CLOSING and stack:
                stack.pop()
        return stack[-1] if stack else None

    @cached_property
    def end(self) -> int:
        """The position after the last token of the statement, or of the first body in it."""
        depth = 0
        for position in range(self.position, len(self.tokens)):
            kind = self.tokens[position].kind
            if kind in {"NEWLINE", END} or (depth == 0 and kind in {"SEMICOLON", "LBRACE", "ARROW"}):
                return position
            if kind in OPENING:
                depth += 1
            elif kind in CLOSING:
                depth -= 1
                if depth < 0:
                    return position
        return len(self.tokens) - 1

    def accepts(self, *kinds: str) -> bool:
        return self.parser.accepts(*kinds)

    def span(self, token: Token) -> Span:
        return self.source.span(token.start, token.end)

    @property
    def here(self) -> Span:
        """What to underline: the token, or the end of the previous one if the token is invisible."""
        if self.kind in {"NEWLINE", END} or not self.token:
            return self.after_previous
        return self.span(self.token)

    @property
    def after_previous(self) -> Span:
        """The empty span right after the previous token."""
        if self.position == 0:
            return self.source.span(self.token.start, self.token.start)
        end = self.tokens[self.position - 1].end
        return self.source.span(end, end)
