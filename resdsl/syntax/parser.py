"""From a source to its syntax tree."""

from __future__ import annotations

from threading import RLock

from lark import Token, UnexpectedToken

from resdsl.diagnostics import Diagnostic, Diagnostics, Label, Source, Span, catalogue
from resdsl.syntax import tree
from resdsl.syntax.lexing import END, RESERVED, drop_newlines, join_stage_names, plain_kind, separate_comments
from resdsl.syntax.nodes import Nodes
from resdsl.syntax.tables import HOLE, MODULE, Tables, tables

# The tables and the callbacks in them exist once per process.
_ONE_AT_A_TIME = RLock()


def parse(source: Source, diagnostics: Diagnostics) -> tree.Module:
    """The syntax tree of a text.

    Mistakes go to ``diagnostics``, all independent ones of the text in one run; ``Broken`` nodes stand in their places.
    Never raises, whatever the text.
    """
    made = tables()
    code, comments = separate_comments(made.lex(source.text), source)
    tokens = drop_newlines(join_stage_names(code, source.text))
    with _ONE_AT_A_TIME:
        items = _Run(made, source, diagnostics, tokens, MODULE).run()
    return tree.Module(
        source=source, items=items, comments=comments, span=source.span(0, len(source.text))
    )


class _Run:
    def __init__(self, made: Tables, source: Source, diagnostics: Diagnostics, tokens: list[Token], start: str) -> None:
        self.made = made
        self.source = source
        self.diagnostics = diagnostics
        end = len(source.text) if not tokens else tokens[-1].end_pos
        self.tokens = [*tokens, Token(END, "", end, end_pos=end)]
        self.interactive = made.lark.parse_interactive(start=start)
        self.state = self.interactive.parser_state

    def _kind(self, token: Token) -> str:
        choices = self.interactive.choices()
        kind = token.type
        if kind in choices:
            return kind
        if kind == "LABEL":
            kind = plain_kind(token, self.made.keywords)
            if kind in choices:
                return kind
        if kind in self.made.keywords.values() and kind.lower() not in RESERVED:
            return "NAME"
        return kind

    def run(self):
        before = getattr(self.made.builder, "nodes", None)
        self.made.builder.nodes = Nodes(self.source, self.diagnostics, self._hole)
        try:
            result = None
            for token in self.tokens:
                token.type = self._kind(token)
                try:
                    result = self.interactive.feed_token(token)
                except UnexpectedToken as error:
                    self.diagnostics.report(
                        Diagnostic(
                            catalogue.UNEXPECTED_TEXT,
                            f"unexpected `{token}`",
                            Label(self.source.span(token.start_pos, token.end_pos)),
                            notes=(f"expected {sorted(self.interactive.accepts())}",),
                        )
                    )
                    return (tree.Broken(span=self.source.span(token.start_pos, token.end_pos)),)
            return result.value
        finally:
            self.made.builder.nodes = before

    def _hole(self, start: int, end: int):
        # blanks keep the offsets
        text = " " * start + self.source.text[start:end]
        tokens = list(self.made.lex(text))
        result = _Run(self.made, self.source, self.diagnostics, tokens, HOLE).run()
        return result[0] if isinstance(result, tuple) else result
