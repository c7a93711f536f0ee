"""From a source to its syntax tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resdsl.diagnostics import Diagnostics, Source
from resdsl.gc_pause import collection_paused
from resdsl.syntax import tree
from resdsl.syntax.automaton import Automaton
from resdsl.syntax.brackets import balance
from resdsl.syntax.builder import Builder
from resdsl.syntax.findings import Findings
from resdsl.syntax.lexing import (
    CLOSING,
    OPENING,
    RESERVED,
    WRONG_IN_ITSELF,
    drop_newlines,
    find_slash_comments,
    inserted,
    join_stage_names,
    lex,
    make_token,
    plain_kind,
    retyped,
    separate_comments,
)
from resdsl.syntax.nodes import Nodes
from resdsl.syntax.tables import END, HOLE, MODULE, Tables, tables
from resdsl.syntax.token import Token

if TYPE_CHECKING:
    from resdsl.syntax.place import Place

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
    with collection_paused():
        return _read(source)


def _read(source: Source) -> Reading:
    findings = Findings()
    made = tables()
    code, comments = separate_comments(lex(source.text, made), source)
    tokens = join_stage_names(find_slash_comments(code, source.text), source.text)
    balanced = balance(tokens, source, findings)
    if balanced is None:
        return Reading((tree.Broken(span=source.span(0, len(source.text))),), comments, (), findings)
    run = _Text(made, source, findings).run(drop_newlines(balanced), MODULE)
    items = run.read()
    if items is None:
        items = (tree.Broken(span=source.span(0, len(source.text))),)
    return Reading(items, comments, tuple(run.tokens), findings)


class _Text:
    """A text that is being read, for runs over the whole of it and over the holes of its labels."""

    def __init__(self, made: Tables, source: Source, findings: Findings) -> None:
        self.made = made
        self.source = source
        self.findings = findings
        self.keyword_kinds = frozenset(made.keywords.values())
        # A keyword that is no name, or a label that is no value, is told from one only by what stands before it.
        self.doubtful = self.keyword_kinds - {made.keywords[word] for word in RESERVED} | {"LABEL"}
        self._builder = Builder(made, Nodes(source, findings, self._parse_hole))

    def run(self, tokens: list[Token], start: str) -> _Run:
        return _Run(self, tokens, Automaton(self.made, start, self._builder, self.findings))

    def _parse_hole(self, start: int, end: int) -> tree.Expression | tree.Broken:
        """The expression between two offsets, in a label."""
        tokens = [token for token in lex(self.source.text[start:end], self.made) if token.kind != "NEWLINE"]
        for token in tokens:
            token.start, token.end = token.start + start, token.end + start
        if not tokens:
            tokens = [Token("NEWLINE", "", start, start, 1, 1)]
        value: tree.Expression | None = self.run(tokens, HOLE).read()
        return tree.Broken(span=self.source.span(start, end)) if value is None else value


class _Run:
    """One run of the automaton over the tokens of a text, or of one hole of a label."""

    def __init__(self, text: _Text, tokens: list[Token], automaton: Automaton) -> None:
        self._text = text
        self._source = text.source
        self._findings = text.findings
        self._keywords = text.made.keywords
        self._automaton = automaton
        last = tokens[-1] if tokens else Token("", "", 0, 0, 1, 1)
        self.tokens = [*tokens, make_token(END, "", last.end, last)]
        self._position = 0
        # How many tokens in a row were right.
        self._sound = _SOUND
        self._rest_of_line_is_sound = True
        self._after_broken_header = False
        # The statement is read as what its author may have meant: another mistake in it may come from the guess.
        self._is_guess = False
        self._last_wrong_line: int | None = None

    def read(self) -> Any:
        """What the tokens make; ``None`` where that is unknown."""
        while self._position < len(self.tokens) and not self._findings.full:
            if not self._is_recovering and self._advance():
                continue
            token = self.tokens[self._position]
            if token.kind in WRONG_IN_ITSELF:
                self._take_wrong_text(token)
                continue
            token.kind = self._meaning(token)
            if self._automaton.feed(token):
                self._position += 1
                self._note(token)
            elif not self._recover():
                return None
        return self._automaton.result if self._position == len(self.tokens) else None

    def _advance(self) -> bool:
        """Read what is right without a doubt; whether anything was."""
        start = self._position
        self._position = self._automaton.advance(self.tokens, start, self._text.doubtful)
        return self._position > start

    @property
    def _is_recovering(self) -> bool:
        """Whether what is found now may be a consequence of what was found before."""
        is_sound = self._sound >= _SOUND and self._rest_of_line_is_sound
        return not is_sound or self._is_guess or self._after_broken_header

    def _note(self, token: Token) -> None:
        """Keep account of what was read since the last mistake."""
        is_written = token.start != token.end
        if is_written:
            self._sound = _SOUND if token.kind in _SEPARATORS else self._sound + 1
        if token.kind in _FRESH:
            self._is_guess = False
        if token.kind in _DEFINING:
            self._after_broken_header = False
        if token.kind == "NEWLINE":
            self._rest_of_line_is_sound = True

    def _meaning(self, token: Token) -> str:
        """The terminal that a token is in this state: a keyword is a name where no keyword can stand."""
        kind = token.kind
        is_word = kind in self._text.keyword_kinds and str(token) not in RESERVED
        # Tables of LALR(1) merge states: for a keyword it is worth looking twice.
        if self._automaton.accepts(kind) if is_word else self._automaton.knows(kind):
            return kind
        if kind == "LABEL":
            kind = plain_kind(token, self._keywords)
            if self._automaton.knows(kind):
                return kind
            is_word = token.isidentifier() and str(token) not in RESERVED
        return "NAME" if is_word and self._automaton.knows("NAME") else kind

    def _take_wrong_text(self, token: Token) -> None:
        """Tell of a token that is wrong in itself, and go on with what it was taken for."""
        from resdsl.syntax.mistakes.characters import wrong_text  # most texts have no mistakes

        wrong = wrong_text(token, self._source)
        instead = wrong.instead
        is_told = token.line == self._last_wrong_line or self._findings.may_follow_from_a_bracket(
            self._source.span(token.start, token.end)
        )
        if self._rest_of_line_is_sound and (wrong.is_certain or not is_told):
            self._findings.report(wrong.diagnostic)
            self._last_wrong_line = token.line
        if len(instead) > 1 and not self._automaton.accepts(*[token.kind for token in instead]):
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
        from resdsl.syntax.mistakes.explain import explain  # most texts have no mistakes
        from resdsl.syntax.place import Place

        place = Place(self.tokens, self._position, self._automaton, self._source, self._keywords)
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
        if self.tokens[self._position - 1].kind == "RBRACE":
            return True
        return place.at_top and self._after_broken_header and (place.token.column) > 1

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
        first = self.tokens[start].start
        last = self.tokens[position - 1].end
        self._automaton.feed(make_token("ERROR", self._source.text[first:last], first, self.tokens[start]))
        self._after_broken_header = self._after_broken_header or place.at_top
        self._position = position
        return self.tokens[position].kind != END or self._automaton.accepts(END)

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
                # What is indented under a header without a body is no definition.
                if token.kind in _SEPARATORS and not (at_top and (self.tokens[position + 1].column) > 1):
                    break
            depth += (token.kind in OPENING) - (token.kind in CLOSING)
            position += 1
        return position
