"""One run of the parser: the kinds of tokens by their context, and recovery from errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lark import UnexpectedToken

from resdsl.diagnostics import Source
from resdsl.syntax.error_log import ErrorLog
from resdsl.syntax.grammar import END, RESERVED, Grammar, Node
from resdsl.syntax.lexing import (
    CLOSING,
    INVALID,
    OPENING,
    inserted,
    make_token,
    plain_kind,
    retyped,
)
from resdsl.syntax.parser_state import ParserState
from resdsl.syntax.token import Token

if TYPE_CHECKING:
    from resdsl.syntax.errors.context import ErrorContext

_SEPARATORS = frozenset({"NEWLINE", "SEMICOLON"})
_STATEMENT_STARTS = _SEPARATORS | {"LBRACE"}
_DEFINING = frozenset({"MODEL", "BLOCK", "USE", "CONST"})

_RECOVERED = 3
"""After an error, this many tokens have to be accepted before another error is reported as independent."""


class Run:
    """Parses the tokens of a text, or of one hole of a label.

    Iterating gives the parser its next tokens. ``dropped`` is what was parsed and then skipped.
    """

    def __init__(self, grammar: Grammar, source: Source, log: ErrorLog, tokens: list[Token], start: str) -> None:
        self._source = source
        self._log = log
        self._keywords = grammar.keywords
        self._contextual = grammar.contextual
        self._parser = ParserState(grammar, start, self)
        last = tokens[-1] if tokens else Token("", "", 0, 0, 1, 1)
        self.tokens = [*tokens, make_token(END, "", last.end, last)]
        self.dropped: list[Token | Node] = []
        self._position = 0
        # The number of tokens accepted since the last error.
        self._accepted = _RECOVERED
        # Kinds of tokens up to which errors are not reported: the text before them is not what its author meant.
        self._doubtful_until: frozenset[str] = frozenset()
        self._after_broken_header = False
        # The statement was changed to what its author may have meant: another error in it may come from the guess.
        self._is_guess = False
        self._last_invalid_line: int | None = None

    def parse(self) -> Node | None:
        """What the tokens make; ``None`` if that is unknown."""
        parsed: Node | None = None
        is_resumed = not self._log.full
        while is_resumed:
            is_resumed = False
            try:
                parsed = self._parser.resume()
            except UnexpectedToken:
                is_resumed = not self._log.full and self._recover()
        if parsed is None:
            self.dropped += self._parser.values
        # The parser refers to its input, which is this run: without the cycle both are freed as soon as possible.
        del self._parser
        return parsed

    def __iter__(self) -> Iterator[Token]:
        """The tokens from here on, up to the end of the text, which Lark adds itself."""
        while (token := self.tokens[self._position]).kind != END:
            if token.kind in INVALID:
                self._take_invalid_text(token)
                if self._log.full:
                    return
                continue
            if token.kind in self._contextual:
                token.kind = self._kind_in_context(token)
            yield token
            self._position += 1
            if self._is_recovering:
                self._note(token)

    @property
    def _is_recovering(self) -> bool:
        """Whether an error found now may be a consequence of an earlier one."""
        is_recovered = self._accepted >= _RECOVERED and not self._doubtful_until
        return not is_recovered or self._is_guess or self._after_broken_header

    def _note(self, token: Token) -> None:
        """Keep account of what was accepted since the last error."""
        is_written = token.start != token.end
        if is_written:
            self._accepted = _RECOVERED if token.kind in _SEPARATORS else self._accepted + 1
        if token.kind in _STATEMENT_STARTS:
            self._is_guess = False
        if token.kind in _DEFINING:
            self._after_broken_header = False
        if token.kind in self._doubtful_until:
            self._doubtful_until = frozenset()
            self._last_invalid_line = None

    def _kind_in_context(self, token: Token) -> str:
        """A keyword is a name, and a label a name or a number, wherever the parser cannot accept it as what it is."""
        kind = token.kind
        # Text that was replaced by a reserved word, as `&&` by `and`, is a name where no operator is accepted.
        is_word = kind != "LABEL" and str(token) not in RESERVED
        # LALR(1) merges states: the parser may know a token and still reject it after a reduction.
        if self._parser.accepts(kind) if is_word else self._parser.knows(kind):
            return kind
        if kind == "LABEL":
            kind = plain_kind(token, self._keywords)
            if self._parser.knows(kind):
                return kind
            is_word = token.isidentifier() and str(token) not in RESERVED
        return "NAME" if is_word and self._parser.knows("NAME") else kind

    def _take_invalid_text(self, token: Token) -> None:
        """Report a token that is invalid anywhere, and replace it by what was probably meant."""
        from resdsl.syntax.errors.invalid_text import invalid_text

        invalid = invalid_text(token, self._source)
        instead = invalid.instead
        is_consequence = token.line == self._last_invalid_line or self._log.is_on_line_with_bracket_error(
            self._source.span(token.start, token.end)
        )
        if not self._doubtful_until and (invalid.is_certain or not is_consequence):
            self._log.report(invalid.diagnostic)
            self._last_invalid_line = token.line
        if len(instead) > 1 and not self._parser.accepts(*[token.kind for token in instead]):
            instead = (retyped(token, "BAD_VALUE"),)
        if len(instead) > 1:
            self.tokens[self._position : self._position + 1] = instead
        elif instead:
            self.tokens[self._position] = instead[0]
        else:
            self._position += 1
        self._accepted = 0
        self._doubtful_until = self._doubtful_until or invalid.doubtful_until

    def _recover(self) -> bool:
        """Report the token that does not fit, and resume after the error; False if that is impossible."""
        from resdsl.syntax.errors.context import ErrorContext
        from resdsl.syntax.errors.explain import explain

        context = ErrorContext(self.tokens, self._position, self._parser, self._source, self._keywords)
        if self._is_consequence(context):
            return self._skip(context)
        explanation = explain(context)
        if not explanation.is_certain and self._log.is_on_line_with_bracket_error(context.here):
            return self._skip(context)
        self._log.report(explanation.diagnostic)
        self._last_invalid_line = context.token.line
        self._accepted = 0
        repair = explanation.repair
        if repair is None:
            return self._skip(context)
        start = self._position
        if repair.start < self._position:
            start = context.start
            if not self._unwind():
                return False
            self._is_guess = True
        self.tokens[repair.start : repair.end] = repair.tokens
        self._position = start
        return True

    def _is_consequence(self, context: ErrorContext) -> bool:
        """Whether this error probably follows from one that was reported."""
        if self._accepted < _RECOVERED or self._doubtful_until or self._is_guess:
            return True
        if context.start < self._position or self._position == 0:
            return False
        # After a body in skipped text, the rest of the statement is skipped too.
        if self.tokens[self._position - 1].kind == "RBRACE":
            return True
        return context.at_top and self._after_broken_header and context.token.column > 1

    def _unwind(self) -> bool:
        """Drop the statement that was parsed last; False if nothing can be dropped."""
        dropped = self._parser.unwind("ERROR")
        self.dropped += dropped or []
        return dropped is not None

    def _skip(self, context: ErrorContext) -> bool:
        """Skip to the end of the statement, or to a body in it, which is parsed to find the errors in it."""
        if context.at_top and context.start < self._position and context.accepts("SEMICOLON"):
            # The part before the error is complete.
            self._parser.feed(inserted("SEMICOLON", ";", context.token))
            start = self._position
        else:
            if not self._unwind():
                return False
            # After the unwinding: of a statement that was skipped before, only what follows is skipped now.
            start = context.start
        position = self._end_of_skipping(start, at_top=context.at_top)
        first = self.tokens[start].start
        last = self.tokens[position - 1].end
        self._parser.feed(make_token("ERROR", self._source.text[first:last], first, self.tokens[start]))
        self._after_broken_header = self._after_broken_header or context.at_top
        self._position = position
        return self.tokens[position].kind != END or self._parser.accepts(END)

    def _end_of_skipping(self, start: int, *, at_top: bool) -> int:
        depth = 0
        for token in self.tokens[start : self._position]:
            depth += (token.kind in OPENING) - (token.kind in CLOSING)
        position = self._position
        while self.tokens[position].kind != END:
            token = self.tokens[position]
            if depth <= 0:
                if token.kind == "LBRACE" or (token.kind == "RBRACE" and not at_top):
                    break
                # Text that is indented below a header without a body is no definition.
                if token.kind in _SEPARATORS and not (at_top and self.tokens[position + 1].column > 1):
                    break
            depth += (token.kind in OPENING) - (token.kind in CLOSING)
            position += 1
        return position
