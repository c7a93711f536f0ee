"""From a source to its syntax tree."""

from __future__ import annotations

from dataclasses import dataclass
from threading import RLock
from typing import Any

from lark import Token, UnexpectedToken

from resdsl.diagnostics import Diagnostics, Source
from resdsl.syntax import tree
from resdsl.syntax.automaton import Automaton
from resdsl.syntax.brackets import balance
from resdsl.syntax.findings import Findings
from resdsl.syntax.lexing import (
    CLOSING,
    END,
    OPENING,
    RESERVED,
    drop_newlines,
    find_slash_comments,
    inserted,
    join_stage_names,
    make_token,
    plain_kind,
    retyped,
    separate_comments,
)
from resdsl.syntax.mistakes.characters import WrongText, wrong_text
from resdsl.syntax.mistakes.explain import explain
from resdsl.syntax.nodes import Nodes
from resdsl.syntax.place import Place
from resdsl.syntax.tables import HOLE, MODULE, Tables, tables

# The tables exist once per process, and with them the builder that they call.
_ONE_AT_A_TIME = RLock()

_SEPARATORS = frozenset({"NEWLINE", "SEMICOLON"})
_FRESH = _SEPARATORS | {"LBRACE"}
_DEFINING = frozenset({"MODEL", "BLOCK", "USE", "CONST"})

_SOUND = 3
"""So many tokens have to be read after a mistake before another one is believed to be a mistake of its own."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All that reading a text gives. ``tokens`` are those that the grammar saw, each of the kind it was read as."""

    items: tuple[tree.Item, ...]
    comments: tuple[tree.Comment, ...]
    tokens: tuple[Token, ...]
    findings: Findings


def parse(source: Source, diagnostics: Diagnostics) -> tree.Module:
    """The syntax tree of a text.

    Mistakes go to ``diagnostics``, all independent ones of the text in one run, in the order of the text; ``Broken``
    nodes stand where text had to be skipped. Never raises, whatever the text.
    """
    reading = read(source)
    reading.findings.hand_over(diagnostics)
    return tree.Module(source, reading.items, reading.comments, span=source.span(0, len(source.text)))


def read(source: Source) -> Reading:
    """Read a text, for its tree or for its tokens. Never raises, whatever the text."""
    findings = Findings()
    with _ONE_AT_A_TIME:
        made = tables()
        code, comments = separate_comments(made.lex(source.text), source)
        tokens = join_stage_names(find_slash_comments(code, source.text), source.text)
        balanced = balance(tokens, source, findings)
        if balanced is None:
            return Reading((tree.Broken(span=source.span(0, len(source.text))),), comments, (), findings)
        run = _Run(made, source, findings, drop_newlines(balanced), MODULE)
        items = run.module()
    return Reading(items, comments, tuple(run.tokens), findings)


class _Run:
    """One run of the automaton over the tokens of a text, or of one hole of a label."""

    def __init__(self, made: Tables, source: Source, findings: Findings, tokens: list[Token], start: str) -> None:
        self._made = made
        self._source = source
        self._findings = findings
        self._automaton = Automaton(made, start)
        end = (tokens[-1].end_pos or 0) if tokens else 0
        self.tokens = [*tokens, make_token(END, "", end, tokens[-1] if tokens else Token(END, "", 0, 1, 1))]
        self._position = 0
        # How many tokens in a row were right.
        self._sound = _SOUND
        self._rest_of_line_is_sound = True
        self._after_broken_header = False
        # The statement is read as what its author may have meant: another mistake in it may come from the guess.
        self._is_guess = False
        self._last_wrong_line: int | None = None
        self._keyword_kinds = frozenset(made.keywords.values())

    def module(self) -> tuple[tree.Item, ...]:
        """The items of a whole text."""
        builder = self._made.builder
        builder.nodes = Nodes(self._source, self._findings, self._parse_hole)
        try:
            items = self._read()
        finally:
            del builder.nodes
        whole = self._source.span(0, len(self._source.text))
        return (tree.Broken(span=whole),) if items is None else items

    def _parse_hole(self, start: int, end: int) -> tree.Expression | tree.Broken:
        """The expression between two offsets, in a label."""
        tokens = [token for token in self._made.lex(self._source.text[start:end]) if token.type != "NEWLINE"]
        for token in tokens:
            token.start_pos, token.end_pos = (token.start_pos or 0) + start, (token.end_pos or 0) + start
        if not tokens:
            tokens = [make_token("NEWLINE", "", start, Token("", "", 0, 1, 1))]
        value = _Run(self._made, self._source, self._findings, tokens, HOLE)._read()
        return tree.Broken(span=self._source.span(start, end)) if value is None else value

    def _read(self) -> Any:
        """What the tokens make; ``None`` where that is unknown."""
        while not self._findings.full:
            token = self.tokens[self._position]
            wrong = wrong_text(token, self._source)
            if wrong is not None:
                self._take_wrong_text(wrong)
                continue
            token.type = self._meaning(token)
            try:
                result = self._automaton.feed(token)
            except UnexpectedToken:
                if not self._recover():
                    return None
                continue
            if token.type == END:
                return result.value if result else None
            self._position += 1
            is_written = token.start_pos != token.end_pos
            if is_written:
                self._sound = _SOUND if token.type in _SEPARATORS else self._sound + 1
            if token.type in _FRESH:
                self._is_guess = False
            if token.type in _DEFINING:
                self._after_broken_header = False
            if token.type == "NEWLINE":
                self._rest_of_line_is_sound = True
        return None

    def _meaning(self, token: Token) -> str:
        """The terminal that a token is in this state: a keyword is a name where no keyword can stand."""
        kind = token.type
        is_word = kind in self._keyword_kinds and str(token) not in RESERVED
        # Tables of LALR(1) merge states: for a keyword it is worth looking twice.
        if self._automaton.accepts(kind) if is_word else self._automaton.knows(kind):
            return kind
        if kind == "LABEL":
            kind = plain_kind(token, self._made.keywords)
            if self._automaton.knows(kind):
                return kind
            is_word = token.isidentifier() and str(token) not in RESERVED
        return "NAME" if is_word and self._automaton.knows("NAME") else kind

    def _take_wrong_text(self, wrong: WrongText) -> None:
        """Tell of a token that is wrong in itself, and go on with what it was taken for."""
        instead = wrong.instead
        token = self.tokens[self._position]
        is_told = token.line == self._last_wrong_line or self._findings.may_follow_from_a_bracket(
            self._source.span(token.start_pos or 0, token.end_pos or 0)
        )
        if self._rest_of_line_is_sound and (wrong.is_certain or not is_told):
            self._findings.report(wrong.diagnostic)
            self._last_wrong_line = token.line
        if len(instead) > 1 and not self._automaton.accepts(*[token.type for token in instead]):
            instead = (retyped(token, "BAD_VALUE"),)
        if len(instead) > 1:
            self.tokens[self._position : self._position + 1] = instead
        elif instead:
            self.tokens[self._position] = instead[0]
        else:
            self._position += 1
        self._sound = 0
        self._rest_of_line_is_sound = self._rest_of_line_is_sound and wrong.rest_is_sound

    def _recover(self) -> bool:
        """Tell of the token that cannot come, and go on behind the mistake. False where that is impossible."""
        place = Place(self.tokens, self._position, self._automaton, self._source, self._made.keywords)
        if self._is_told(place):
            return self._skip(place)
        explanation = explain(place)
        if not explanation.is_certain and self._findings.may_follow_from_a_bracket(place.here):
            return self._skip(place)
        self._findings.report(explanation.diagnostic)
        self._last_wrong_line = place.token.line
        self._sound = 0
        repair = explanation.repair
        if repair is None:
            return self._skip(place)
        start = self._position
        if repair.start < self._position:
            start = place.start
            if not self._automaton.unwind("ERROR"):
                return False
            self._is_guess = True
        self.tokens[repair.start : repair.end] = repair.tokens
        self._position = start
        return True

    def _is_told(self, place: Place) -> bool:
        """Whether this error follows from one that was told."""
        if self._sound < _SOUND or not self._rest_of_line_is_sound or self._is_guess:
            return True
        if place.start < self._position or self._position == 0:
            return False
        # Behind a body in skipped text, the rest of the statement is skipped too.
        if self.tokens[self._position - 1].type == "RBRACE":
            return True
        return place.at_top and self._after_broken_header and (place.token.column or 1) > 1

    def _skip(self, place: Place) -> bool:
        """Skip to the end of the statement, or to a body in it, which is parsed for the sake of its mistakes."""
        if place.at_top and place.start < self._position and place.accepts("SEMICOLON"):
            # What stands before is whole.
            self._automaton.feed(inserted("SEMICOLON", ";", place.token))
            start = self._position
        elif self._automaton.unwind("ERROR"):
            start = place.start
        else:
            return False
        position = self._end_of_skipping(start, at_top=place.at_top)
        first = self.tokens[start].start_pos or 0
        last = self.tokens[position - 1].end_pos or 0
        self._automaton.feed(make_token("ERROR", self._source.text[first:last], first, self.tokens[start]))
        self._after_broken_header = self._after_broken_header or place.at_top
        self._position = position
        return self.tokens[position].type != END or self._automaton.accepts(END)

    def _end_of_skipping(self, start: int, *, at_top: bool) -> int:
        depth = 0
        for token in self.tokens[start : self._position]:
            depth += (token.type in OPENING) - (token.type in CLOSING)
        position = self._position
        while self.tokens[position].type != END:
            token = self.tokens[position]
            if depth <= 0:
                if token.type == "LBRACE" or (token.type == "RBRACE" and not at_top):
                    break
                # What is indented under a header without a body is no definition.
                if token.type in _SEPARATORS and not (at_top and (self.tokens[position + 1].column or 1) > 1):
                    break
            depth += (token.type in OPENING) - (token.type in CLOSING)
            position += 1
        return position
