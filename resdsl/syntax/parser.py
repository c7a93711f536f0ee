"""From a source to its syntax tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from resdsl.diagnostics import Diagnostics, Source
from resdsl.gc_pause import collection_paused
from resdsl.syntax import tree
from resdsl.syntax.bracket_check import balance
from resdsl.syntax.builder import Builder
from resdsl.syntax.error_log import ErrorLog
from resdsl.syntax.grammar import HOLE, MODULE, Grammar, Node, grammar
from resdsl.syntax.lexing import drop_newlines, find_slash_comments, join_stage_names, lex, separate_comments
from resdsl.syntax.nodes import Nodes
from resdsl.syntax.recovery import Run
from resdsl.syntax.token import Token


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading a text. ``tokens`` are those that the parser saw, each with the kind it was read as."""

    items: tuple[tree.Item, ...]
    comments: tuple[tree.Comment, ...]
    tokens: tuple[Token, ...]
    log: ErrorLog


def parse(source: Source, diagnostics: Diagnostics) -> tree.Module:
    """The syntax tree of a text.

    All independent errors of the text go to ``diagnostics`` in one run, in the order of the text; ``Broken`` nodes
    replace text that had to be skipped. Never raises, whatever the text.
    """
    reading = read(source)
    reading.log.report_to(diagnostics)
    return tree.Module(source, reading.items, reading.comments, span=source.span(0, len(source.text)))


def read(source: Source) -> Reading:
    """Read a text, for its tree or for its tokens. Never raises, whatever the text."""
    with collection_paused():
        return _read(source)


def _read(source: Source) -> Reading:
    log = ErrorLog()
    text = _Text(grammar(), source, log)
    code, comments = separate_comments(lex(source.text, text.grammar), source)
    tokens = join_stage_names(find_slash_comments(code, source.text), source.text)
    balanced = balance(tokens, source, log)
    items = None
    if balanced is not None:
        items, tokens = text.parse(drop_newlines(balanced), MODULE)
    if items is None:
        items = (tree.Broken(span=source.span(0, len(source.text))),)
    return Reading(items, comments, tuple(tokens), log)


class _Text:
    """A text that is parsed: the whole of it, and the expressions in its labels."""

    def __init__(self, grammar: Grammar, source: Source, log: ErrorLog) -> None:
        self.grammar = grammar
        self._source = source
        self._log = log
        self._builder = Builder(Nodes(source, log, self._parse_hole))

    def parse(self, tokens: list[Token], start: str) -> tuple[Any, list[Token]]:
        """What the tokens make, ``None`` if that is unknown; and the tokens as they were read."""
        run = Run(self.grammar, self._source, self._log, tokens, start)
        parsed = run.parse()
        # For the errors in what was skipped.
        for value in run.dropped:
            if isinstance(value, Node):
                self._builder.transform(value)
        return None if parsed is None else self._builder.transform(parsed), run.tokens

    def _parse_hole(self, start: int, end: int) -> tree.Expression | tree.Broken:
        """The expression between two offsets, in a label."""
        tokens = [token for token in lex(self._source.text[start:end], self.grammar) if token.kind != "NEWLINE"]
        for token in tokens:
            token.start, token.end = token.start + start, token.end + start
        if not tokens:
            tokens = [Token("NEWLINE", "", start, start, 1, 1)]
        value: tree.Expression | None = self.parse(tokens, HOLE)[0]
        return tree.Broken(span=self._source.span(start, end)) if value is None else value
