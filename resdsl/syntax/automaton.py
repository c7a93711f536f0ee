"""The LALR automaton, moved token by token: what it accepts, and how it is taken back to where it accepts something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lark import Token, Tree
from lark.parsers.lalr_analysis import Shift

from resdsl.syntax.builder import Piece
from resdsl.syntax.tables import Tables


class Automaton:
    """One run of the tables over one text."""

    def __init__(self, tables: Tables, start: str) -> None:
        self.start = start
        self._interactive = tables.lark.parse_interactive(start=start)
        self._states = self._interactive.parser_state.state_stack
        self._values = self._interactive.parser_state.value_stack
        self._table = self._interactive.parser_state.parse_conf.states

    @property
    def choices(self) -> Sequence[str]:
        """The terminals that have an action in this state. Some may turn out wrong after a reduction."""
        return [name for name in self._table[self._states[-1]] if name.isupper() or name == "$END"]

    def knows(self, kind: str) -> bool:
        """Whether a terminal has an action in this state: quick, and right but for what a reduction may uncover."""
        return kind in self._table[self._states[-1]]

    def accepts(self, *kinds: str) -> bool:
        """Whether these tokens could come next, one after another."""
        return self._accepts(self._states, kinds)

    def _accepts(self, states: Sequence[Any], kinds: Sequence[str]) -> bool:
        states = list(states)
        for kind in kinds:
            while True:
                found = self._table[states[-1]].get(kind)
                if found is None:
                    return False
                action, argument = found
                if action is Shift:
                    states.append(argument)
                    break
                size = len(argument.expansion)
                if size:
                    del states[-size:]
                states.append(self._table[states[-1]][argument.origin.name][1])
                if kind == "$END" and states[-1] == self._interactive.parser_state.parse_conf.end_state:
                    return True
        return True

    def feed(self, token: Token) -> Piece | None:
        """Take a token that is accepted. The result, where it is the end."""
        result = self._interactive.feed_token(token)
        return result if isinstance(result, Piece) else None

    def unwind(self, kind: str) -> bool:
        """Forget what was read back to the last state that accepts ``kind``; False where there is none."""
        height = self._height(kind)
        if height is None:
            return False
        del self._states[height:]
        del self._values[height - 1 :]
        return True

    def unwound_from(self, kind: str) -> int | None:
        """The offset at which the text begins that `unwind` would forget; ``None`` where that is nothing."""
        height = self._height(kind)
        return None if height is None else _first_offset(self._values[height - 1 :])

    def unwound_accepts(self, kind: str, other: str) -> bool:
        """Whether ``other`` could come, too, in the state that `unwind` goes back to."""
        height = self._height(kind)
        return height is not None and self._accepts(self._states[:height], (other,))

    def _height(self, kind: str) -> int | None:
        closed = 0
        for height in range(len(self._states), 0, -1):
            # A body that was closed is forgotten as a whole: its inside is not gone back to.
            if closed == 0 and self._accepts(self._states[:height], (kind,)):
                return height
            value = self._values[height - 2] if height > 1 else None
            if isinstance(value, Token):
                closed += (value.type == "RBRACE") - (value.type == "LBRACE" and closed > 0)
        return None


def _first_offset(values: list[Any]) -> int | None:
    """Where the first of the values on the stack was read."""
    for value in values:
        first = value
        while isinstance(first, Tree) and first.children:
            first = first.children[0]
        if isinstance(first, Token) and first.start_pos is not None:
            return first.start_pos
        if isinstance(first, Piece):
            return first.span.start
    return None
