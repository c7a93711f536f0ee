"""Lark's interactive parser, with the lookahead and the unwinding that recovery needs."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Any

from lark import UnexpectedToken
from lark.parsers.lalr_analysis import Shift

from resdsl.syntax.grammar import Grammar, Node
from resdsl.syntax.token import Token


class ParserState:
    """One run of the parser over the tokens that ``tokens`` iterates over."""

    def __init__(self, grammar: Grammar, start: str, tokens: Iterable[Token]) -> None:
        self.start = start
        stream: Any = tokens
        # Any: most of Lark's parser has no types.
        self._parser: Any = grammar.lark.parse_interactive(stream, start=start)
        # Lark's `accepts()` looks ahead in the same way: without building nodes.
        self._silent = copy(self._parser.parser_state.parse_conf)
        self._silent.callbacks = {}

    def resume(self) -> Any:
        """Parse from here to the end; raises ``UnexpectedToken`` at a token that does not fit."""
        return self._parser.resume_parse()

    def accepted(self) -> set[str]:
        """The terminals that could come next."""
        accepted: set[str] = self._parser.accepts()
        return accepted

    def knows(self, kind: str) -> bool:
        """Whether a terminal has an action in this state. It may turn out wrong after a reduction."""
        return kind in self._parser.choices()

    def accepts(self, *kinds: str) -> bool:
        """Whether these tokens could come next, one after another."""
        action = self._parser.choices().get(kinds[0])
        if action is None or (len(kinds) == 1 and action[0] is Shift):
            return action is not None
        return self._accepts(len(self._states), kinds)

    def feed(self, token: Token) -> None:
        """Take a token that is not in the text."""
        self._parser.feed_token(token)

    @property
    def values(self) -> list[Token | Node]:
        """What was parsed and is not part of a larger node yet."""
        stack: list[Token | Node] = self._parser.parser_state.value_stack
        return stack

    @property
    def _states(self) -> list[int]:
        stack: list[int] = self._parser.parser_state.state_stack
        return stack

    def unwind(self, kind: str) -> list[Token | Node] | None:
        """Go back to the last state that accepts ``kind``, and return what was dropped; ``None`` if there is none."""
        height = self._height(kind)
        if height is None:
            return None
        dropped = self.values[height - 1 :]
        del self._states[height:]
        del self.values[height - 1 :]
        return dropped

    def unwound_from(self, kind: str) -> int | None:
        """The offset of the text that `unwind` would drop; ``None`` if that is nothing."""
        height = self._height(kind)
        return self.values[height - 1].start if height is not None and height <= len(self.values) else None

    def unwound_accepts(self, kind: str, other: str) -> bool:
        """Whether the state that `unwind` goes back to accepts ``other``, too."""
        height = self._height(kind)
        return height is not None and self._accepts(height, (other,))

    def _accepts(self, height: int, kinds: Iterable[str]) -> bool:
        """Whether the parser would accept tokens if only the lowest states were on its stack."""
        probe = self._parser.copy(deepcopy_values=False)
        state = probe.parser_state
        state.parse_conf = self._silent
        del state.state_stack[height:]
        del state.value_stack[height - 1 :]
        try:
            for kind in kinds:
                probe.feed_token(Token(kind, "", 0, 0, 1, 1))
        except UnexpectedToken:
            return False
        return True

    def _height(self, kind: str) -> int | None:
        closed = 0
        for height in range(len(self._states), 0, -1):
            # A closed body is dropped as a whole.
            if closed == 0 and self._accepts(height, (kind,)):
                return height
            value = self.values[height - 2] if height > 1 else None
            if isinstance(value, Token):
                closed += (value.kind == "RBRACE") - (value.kind == "LBRACE" and closed > 0)
        return None
