"""The LALR automaton, moved token by token: what it accepts, and how it is taken back to where it accepts something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from resdsl.syntax.builder import Builder, Piece
from resdsl.syntax.findings import Findings
from resdsl.syntax.tables import END, Tables
from resdsl.syntax.token import Token


class Automaton:
    """One run of the tables over one text."""

    def __init__(self, tables: Tables, start: str, builder: Builder, findings: Findings) -> None:
        self.start = start
        self._rules = tables.rules
        self._actions = tables.actions
        self._gotos = tables.gotos
        self._end = tables.ends[start]
        self._builder = builder
        self._findings = findings
        self._states = [tables.starts[start]]
        self._values: list[Token | Piece] = []

    @property
    def choices(self) -> Sequence[str]:
        """The terminals that have an action in this state. Some may turn out wrong after a reduction."""
        return list(self._actions[self._states[-1]])

    @property
    def result(self) -> Any:
        """What the whole text makes, when `END` was taken."""
        (piece,) = self._values
        assert isinstance(piece, Piece)
        return piece.value

    def knows(self, kind: str) -> bool:
        """Whether a terminal has an action in this state: quick, and right but for what a reduction may uncover."""
        return kind in self._actions[self._states[-1]]

    def accepts(self, *kinds: str) -> bool:
        """Whether these tokens could come next, one after another."""
        return self._accepts(len(self._states), kinds)

    def _accepts(self, height: int, kinds: Sequence[str]) -> bool:
        states = self._states[:height]
        for kind in kinds:
            while True:
                action = self._actions[states[-1]].get(kind)
                if action is None:
                    return False
                if action >= 0:
                    states.append(action)
                    break
                name, size, _, _ = self._rules[-1 - action]
                if size:
                    del states[-size:]
                states.append(self._gotos[states[-1]][name])
                if kind == END and states[-1] == self._end:
                    return True
        return True

    def feed(self, token: Token) -> bool:
        """Take a token, if it can come. What is whole before one that cannot is still put together."""
        return self.advance((token,), 0) == 1

    def advance(self, tokens: Sequence[Token], position: int, doubtful: frozenset[str] = frozenset()) -> int:
        """Take tokens from ``position`` on, and return the position of the first one that was not taken.

        That is one that cannot come; one of a ``doubtful`` kind, which looks as if it could and cannot; or any where
        enough mistakes were found.
        """
        states, values, rules, actions, gotos = self._states, self._values, self._rules, self._actions, self._gotos
        reduce = self._builder.reduce
        for at in range(position, len(tokens)):
            token = tokens[at]
            kind = token.kind
            action = actions[states[-1]].get(kind)
            if action is not None and action < 0 and kind in doubtful and not self.accepts(kind):
                return at
            while action is not None and action < 0:
                name, size, method, parts = rules[-1 - action]
                if method == "":
                    states[-1] = gotos[states[-2]][name]
                else:
                    first = len(values) - size
                    piece = reduce(method, parts, values[first:])
                    del values[first:], states[first + 1 :]
                    values.append(piece)
                    states.append(gotos[states[first]][name])
                if kind == END and states[-1] == self._end:
                    return at + 1
                action = actions[states[-1]].get(kind)
            if action is None or self._findings.full:
                return at
            states.append(action)
            values.append(token)
        return len(tokens)

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
        return self._values[height - 1].start if height is not None and height <= len(self._values) else None

    def unwound_accepts(self, kind: str, other: str) -> bool:
        """Whether ``other`` could come, too, in the state that `unwind` goes back to."""
        height = self._height(kind)
        return height is not None and self._accepts(height, (other,))

    def _height(self, kind: str) -> int | None:
        closed = 0
        for height in range(len(self._states), 0, -1):
            # A body that was closed is forgotten as a whole: its inside is not gone back to.
            if closed == 0 and self._accepts(height, (kind,)):
                return height
            value = self._values[height - 2] if height > 1 else None
            if isinstance(value, Token):
                closed += (value.kind == "RBRACE") - (value.kind == "LBRACE" and closed > 0)
        return None
