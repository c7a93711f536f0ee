"""Reports brackets that do not match, and inserts or replaces what is missing or wrong.

Which bracket is unclosed is decided by the layout, as a reader would: one that is closed on a line indented less than
the line it was opened on, or that is still open when the next definition starts in the first column.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile

from resdsl.diagnostics import Diagnostic, Edit, Fix, Label, Source, Span, catalogue
from resdsl.syntax.error_log import ErrorLog
from resdsl.syntax.lexing import CLOSING, LOST_CLOSER, OPENING, VALUE_STARTS, make_token
from resdsl.syntax.token import Token

_TEXT = {"LPAR": "(", "RPAR": ")", "LSQB": "[", "RSQB": "]", "LBRACE": "{", "RBRACE": "}"}
_STARTS_A_STATEMENT = frozenset({
    "LABEL", "STAGE", "RESIDUAL", "CONCAT", "ADD", "MUL", "MEAN", "TAP", "FROM", "OUTPUT", "CONST", "EXPECT", "FOR",
    "AUX", "ARROW", "SHORTCUT", "RBRACE", "LBRACE", "INPUT", "DEFAULT", "LABELS", "PREPROCESS",
})  # fmt: skip
_GOES_ON_WITH_A_BODY = frozenset({"SHORTCUT", "ELSE"})
_ENDS_A_VALUE = frozenset({"NAME", "INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE", "RPAR", "RSQB", "LABEL"})


def repair(tokens: list[Token], source: Source, log: ErrorLog) -> list[Token]:
    """The tokens of one definition with matching brackets; those that did not match are reported to ``log``."""
    return _Repair(tokens, source, log).repair()


def _span(token: Token, source: Source) -> Span:
    return source.span(token.start, token.end)


@dataclass(slots=True)
class _Open:
    """An open bracket. ``should_close_at`` is the first position where it should be closed, by the layout."""

    token: Token
    indent: int
    is_enumeration: bool = False
    should_close_at: int | None = None

    @property
    def is_body(self) -> bool:
        return self.token.kind == "LBRACE" and not self.is_enumeration


@dataclass
class _Repair:
    """Repairs the brackets of one definition."""

    tokens: list[Token]
    source: Source
    log: ErrorLog
    kept: list[Token] = field(default_factory=list)
    stack: list[_Open] = field(default_factory=list)
    insertions: list[tuple[int, int, Token]] = field(default_factory=list)
    # The number of opening braces less that of closing braces.
    missing: int = 0
    indent: int = 1

    def repair(self) -> list[Token]:
        kinds = [token.kind for token in self.tokens]
        self.missing = kinds.count("LBRACE") - kinds.count("RBRACE")
        line_begins = True
        for position, token in enumerate(self.tokens):
            if token.kind == "NEWLINE":
                self._end_line(position)
                line_begins = True
            else:
                if line_begins:
                    self.indent = token.column
                self._leave_enumeration(token)
                if token.kind == "SEMICOLON":
                    self._end_arguments()
                elif token.kind in OPENING:
                    self._open(token, position)
                elif token.kind in CLOSING:
                    self._close(token, position, first_on_line=line_begins)
                elif token.kind == "EQUAL":
                    self._leave_list()
                elif token.kind in _GOES_ON_WITH_A_BODY and line_begins:
                    self._reach_continuation(token)
                line_begins = False
            self.kept.append(token)
        while self.stack:
            self._close_top(None)
        # From the end, so that positions stay valid. At the same position, the bracket closed first is the inner one.
        for position, _, token in sorted(self.insertions, key=lambda insertion: insertion[:2], reverse=True):
            self.kept.insert(position, token)
        return self.kept

    def _end_line(self, position: int) -> None:
        """Decide by the layout which open brackets should be closed at the end of a line."""
        following = self._following(position)
        if following is None or not self.kept or self.kept[-1].kind == "NEWLINE":
            return
        if self.missing < 0 and self._lacks_brace(following):
            self._unopened(following)
            return
        if not self.stack:
            return
        here = len(self.kept)
        if self.stack[-1].token.kind != "LBRACE":
            if not self._may_go_on(following):
                self._end_arguments()
            return
        if following.kind == "RBRACE":
            return
        for opened in reversed(self.stack):
            if opened.token.kind != "LBRACE":
                break
            if opened.should_close_at is None and following.column <= opened.indent:
                opened.should_close_at = here

    def _following(self, position: int) -> Token | None:
        """The first token of the next non-empty line."""
        while position < len(self.tokens) and self.tokens[position].kind == "NEWLINE":
            position += 1
        return self.tokens[position] if position < len(self.tokens) else None

    def _lacks_brace(self, following: Token) -> bool:
        """Whether the line that ends here lacks an opening brace, as the next one is indented further."""
        if self.stack and self.stack[-1].token.kind != "LBRACE":
            return False
        goes_on = self.kept[-1].kind in {"LBRACE", "SEMICOLON"} or following.kind in {"SHORTCUT", "ELSE", "ARROW"}
        return not goes_on and following.column > self.indent

    def _unopened(self, following: Token) -> None:
        """Open the body of a header whose brace is missing, and report it."""
        last = self.kept[-1]
        end = last.end
        self.missing += 1
        brace = make_token("LBRACE", "", end, last)
        self.kept.append(brace)
        self.stack.append(_Open(brace, self.indent))
        self.log.report_bracket(
            Diagnostic(
                catalogue.UNEXPECTED_TEXT,
                "expected `{` at the end of this line",
                Label(self.source.span(end, end)),
                (Label(_span(following, self.source), "what is indented further is the inside of a body"),),
                helps=("write `{` where the body begins",),
                fix=Fix("write `{` where the body begins", (Edit(self.source.span(end, end), " {"),)),
            )
        )

    def _reach_continuation(self, token: Token) -> None:
        """At ``shortcut`` or ``else`` at the start of a line: the body before it has to be closed."""
        top = self.stack[-1] if self.stack else None
        if self.missing > 0 and top is not None and top.is_body and 0 <= token.column - top.indent <= 1:
            self.missing -= 1
            top.should_close_at = None
            while self.kept and self.kept[-1].kind == "NEWLINE":
                self.kept.pop()
            self._close_top(token)

    def _leave_list(self) -> None:
        """A list ends before a named argument: ``(mean = [1, 2, std = [3, 4])``."""
        top = self.stack[-1] if self.stack else None
        if top and top.token.kind == "LSQB" and top.should_close_at is None and len(self.kept) > 2:
            top.should_close_at = len(self.kept) - (2 if self.kept[-2].kind == "COMMA" else 1)

    def _end_arguments(self) -> None:
        """The statement ends here, and with it all brackets in it."""
        for opened in reversed(self.stack):
            if opened.is_body:
                break
            opened.should_close_at = len(self.kept) if opened.should_close_at is None else opened.should_close_at

    def _leave_enumeration(self, token: Token) -> None:
        """An enumeration ends at the first token that it cannot contain: ``(kind: {a, b = a)``."""
        top = self.stack[-1] if self.stack else None
        if not top or not top.is_enumeration or top.should_close_at is not None:
            return
        if not token.isidentifier() and token.kind not in {"COMMA", "RBRACE"}:
            top.should_close_at = len(self.kept)

    def _may_go_on(self, following: Token) -> bool:
        """Whether a list of arguments may continue on the next line."""
        if following.kind in _STARTS_A_STATEMENT:
            return False
        return self.kept[-1].kind not in _ENDS_A_VALUE or following.kind not in VALUE_STARTS

    def _open(self, token: Token, position: int) -> None:
        in_parentheses = bool(self.stack) and self.stack[-1].token.kind == "LPAR"
        enumerates = in_parentheses and self.tokens[position - 1].kind == "COLON"
        if token.kind == "LBRACE" and not enumerates:
            while self.stack and self.stack[-1].token.kind != "LBRACE":
                self._close_top(token)
        self.stack.append(_Open(token, self.indent, is_enumeration=token.kind == "LBRACE" and enumerates))

    def _close(self, token: Token, position: int, *, first_on_line: bool) -> None:
        """Match a closing bracket, or mark it as one that closes nothing."""
        if token.kind == "RBRACE":
            self._close_brace(token, first_on_line=first_on_line)
            return
        inner = takewhile(lambda opened: not opened.is_body, reversed(self.stack))
        opener = next((opened for opened in inner if OPENING[opened.token.kind] == token.kind), None)
        if opener is not None:
            while self.stack[-1] is not opener:
                self._close_top(token)
            self.stack.pop()
        elif self.stack and not self.stack[-1].is_body and not self._closes_later(position):
            self._mismatch(self.stack.pop().token, token)
        elif self.stack and self.stack[-1].is_body and self._is_meant_as_argument_list(self.stack[-1].token, token):
            self._wrong_opening(self.stack.pop().token, token)
        else:
            token.kind = LOST_CLOSER

    def _closes_later(self, position: int) -> bool:
        """Whether the innermost bracket is closed by its own kind later in the line."""
        opening = self.stack[-1].token.kind
        depth = 1
        for token in self.tokens[position + 1 :]:
            if token.kind in {"NEWLINE", "SEMICOLON", "LBRACE", "RBRACE"}:
                return False
            depth += (token.kind == opening) - (token.kind == OPENING[opening])
            if depth == 0:
                return True
        return False

    def _is_meant_as_argument_list(self, opening: Token, closing: Token) -> bool:
        """Whether a brace was meant as a parenthesis: ``conv{64, 3x3)``."""
        start = opening.start
        return start > 0 and self.source.text[start - 1].isalnum() and opening.line == closing.line

    def _close_brace(self, token: Token, *, first_on_line: bool) -> None:
        column = token.column
        braces = [opened for opened in self.stack if opened.token.kind == "LBRACE"]
        on_top = self.stack[-1] if self.stack else None
        if on_top is not None and on_top.token.kind != "LBRACE" and (self.missing < 0 or not braces):
            self.missing += 1
            self._mismatch(self.stack.pop().token, token)
            return
        is_lost = not braces or (
            self.missing < 0 and (column > braces[-1].indent if first_on_line else braces[-1].token.line != token.line)
        )
        if is_lost:
            self.missing += 1
            token.kind = LOST_CLOSER
            return
        while self.stack[-1].token.kind != "LBRACE":
            self._close_top(token)
        while self.missing > 0 and first_on_line and len(braces) > 1 and column < braces[-1].indent:
            self.missing -= 1
            while self.stack and self.stack[-1] is not braces[-2]:
                self._close_top(token)
            braces.pop()
        self.stack.pop()

    def _close_top(self, noticed: Token | None) -> None:
        """Close the innermost open bracket, and report it."""
        opened = self.stack.pop()
        position = len(self.kept) if opened.should_close_at is None else opened.should_close_at
        if opened.should_close_at is None and noticed is None:
            while position and self.kept[position - 1].kind == "NEWLINE":
                position -= 1
        previous = self.kept[position - 1]
        closing = OPENING[opened.token.kind]
        end = previous.end
        self.insertions.append((position, len(self.insertions), make_token(closing, "", end, previous)))
        self.log.report_bracket(self._unclosed(opened, noticed, end))

    def _unclosed(self, opened: _Open, noticed: Token | None, end: int) -> Diagnostic:
        text, closing = _TEXT[opened.token.kind], _TEXT[OPENING[opened.token.kind]]
        suggestion = f"write `{closing}` where it ends"
        fix = None
        if opened.should_close_at is not None or noticed is not None:
            new_text = "\n" + " " * (opened.indent - 1) + closing if opened.is_body else closing
            fix = Fix(suggestion, (Edit(self.source.span(end, end), new_text),))
        if not opened.is_body:
            seen = Label(self.source.span(end, end), f"expected `{closing}` by here")
        elif noticed is not None:
            seen = Label(_span(noticed, self.source), "this closes a bracket further out, by its indentation")
        else:
            stop = self.source.span(end, end)
            after = self._next_definition()
            seen = (
                Label(stop, "the file ends here")
                if after is None
                else Label(after, "the next definition begins while it is open")
            )
        return Diagnostic(
            catalogue.UNCLOSED, f"this `{text}` is never closed", Label(_span(opened.token, self.source)), (seen,),
            helps=(suggestion,), fix=fix,
        )  # fmt: skip

    def _next_definition(self) -> Span | None:
        """The first word of the definition after these tokens."""
        end = self.tokens[-1].end
        rest = self.source.text[end:]
        if not rest.strip():
            return None
        word = rest.split(maxsplit=1)[0]
        start = end + rest.index(word)
        return self.source.span(start, start + len(word))

    def _mismatch(self, opening: Token, closing: Token) -> None:
        right = OPENING[opening.kind]
        wrong, span = str(closing), _span(closing, self.source)
        closing.kind = right
        if self.log.is_on_line_with_bracket_error(span):
            return
        self.log.report_bracket(
            Diagnostic(
                catalogue.UNEXPECTED_TEXT,
                f"`{opening}` is closed by `{wrong}`",
                Label(span, f"expected `{_TEXT[right]}`"),
                (Label(_span(opening, self.source), "opened here"),),
                helps=(f"write `{_TEXT[right]}`",),
                fix=Fix(f"write `{_TEXT[right]}`", (Edit(span, _TEXT[right]),)),
            )
        )

    def _wrong_opening(self, opening: Token, closing: Token) -> None:
        span, right = _span(opening, self.source), "(" if closing.kind == "RPAR" else "["
        opening.kind = "LPAR" if closing.kind == "RPAR" else "LSQB"
        self.missing -= 1
        if self.log.is_on_line_with_bracket_error(span):
            return
        self.log.report_bracket(
            Diagnostic(
                catalogue.UNEXPECTED_TEXT,
                f"`{opening}` is closed by `{closing}`",
                Label(span, f"expected `{right}`"),
                (Label(_span(closing, self.source), "closed here"),),
                helps=(f"write `{right}`",),
                fix=Fix(f"write `{right}`", (Edit(span, right),)),
            )
        )
