"""The text as the formatter sees it: statements made of words and brackets, with the comments in their places.

It keeps what the tree drops (parentheses, how numbers are written, comments) and needs no node types: the kinds of the
tokens, as the parser read them, say enough.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from resdsl.syntax.token import Token
from resdsl.syntax.tree import Comment

_CALLABLE = frozenset({"NAME", "LABEL_NAME", "RESIDUAL"})
_VALUES = frozenset({"NAME", "INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE"})
_TIGHT = frozenset({"DOTDOT"})


@dataclass(slots=True)
class Word:
    """A token that is no bracket. ``hugs`` tells a sign, which no blank follows."""

    kind: str
    text: str
    hugs: bool = False


@dataclass
class Item:
    """What stands between two commas, with the comments above it and behind it."""

    pieces: list[Piece] = field(default_factory=list)
    above: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)


@dataclass
class Group:
    """``(...)``, ``[...]`` or an enumeration. ``takes_comma``: whether a comma may follow the last item."""

    opening: str
    closing: str
    takes_comma: bool
    hugs_left: bool
    items: list[Item] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    dangling: list[str] = field(default_factory=list)

    @cached_property
    def flat(self) -> str | None:
        """On one line; ``None`` where comments forbid it."""
        if self.header or self.dangling or any(item.above or item.behind for item in self.items):
            return None
        items = [flat(item.pieces) for item in self.items]
        texts = [text for text in items if text is not None]
        return f"{self.opening}{', '.join(texts)}{self.closing}" if len(texts) == len(items) else None


@dataclass
class Statement:
    """One statement and the comment behind it. Lines are those of the source, counted from 1."""

    first_line: int
    pieces: list[Piece] = field(default_factory=list)
    behind: str | None = None
    last_line: int = 0

    @cached_property
    def flat(self) -> str | None:
        """On one line, without the comment behind it; ``None`` where that cannot be."""
        return flat(self.pieces)


@dataclass
class CommentLine:
    """A comment on a line of its own."""

    text: str
    first_line: int

    @property
    def last_line(self) -> int:
        return self.first_line


@dataclass
class Block:
    """``{ ... }`` with statements in it. ``one_line``: the author wrote it on one line."""

    first_line: int
    entries: list[Statement | CommentLine] = field(default_factory=list)
    header: str | None = None
    one_line: bool = False

    @cached_property
    def inner(self) -> str | None:
        """The statements on one line; ``None`` where the author did not write it so, or comments forbid it."""
        if not self.one_line or self.header:
            return None
        texts: list[str] = []
        for entry in self.entries:
            text = entry.flat if isinstance(entry, Statement) and not entry.behind else None
            if text is None:
                return None
            texts.append(text)
        return "; ".join(texts)

    @cached_property
    def flat(self) -> str | None:
        """With its braces on one line, where that can be."""
        if self.inner is None:
            return None
        return f"{{ {self.inner} }}" if self.inner else "{}"


Piece = Word | Group | Block


def flat(pieces: list[Piece]) -> str | None:
    """Pieces on one line; ``None`` where one of them needs several."""
    text = ""
    before: Piece | None = None
    for piece in pieces:
        own = piece.text if isinstance(piece, Word) else piece.flat
        if own is None:
            return None
        text += blank_between(before, piece) + own
        before = piece
    return text


def blank_between(before: Piece | None, piece: Piece) -> str:
    """The blank between two pieces, or nothing."""
    if before is None or (isinstance(before, Word) and (before.hugs or before.kind in _TIGHT)):
        return ""
    if isinstance(piece, Word):
        return "" if piece.kind == "COLON" or piece.kind in _TIGHT else " "
    return "" if isinstance(piece, Group) and piece.hugs_left else " "


class _Reader:
    """Reads the layout off the tokens and comments of a text without syntax errors."""

    def __init__(self, tokens: Sequence[Token], comments: Iterable[Comment]) -> None:
        self._stream = _merged(tokens, comments)
        self._position = 0
        self._open_groups = 0
        # Comments in the middle of a statement, before `shortcut`, `else` or `->`.
        self._pending: list[str] = []

    def entries(self, block: Block) -> None:
        """The statements up to the closing brace, or the end, into a block."""
        statement: Statement | None = None
        while self._position < len(self._stream):
            part = self._stream[self._position]
            if isinstance(part, Token) and part.kind == "RBRACE":
                block.one_line = part.line == block.first_line
                break
            if isinstance(part, Comment):
                self._position += 1
                if statement is not None and not self._ends_statement():
                    self._pending.append(part.text)
                    continue
                self._comment(part, block)
            elif part.kind in {"NEWLINE", "SEMICOLON", "$END"}:
                self._position += 1
                self._finish(statement, block)
                statement = None
            else:
                if statement is None:
                    statement = Statement(part.line)
                    block.entries.append(statement)
                self._piece(part, statement.pieces)
                statement.last_line = self._line_before()
        self._finish(statement, block)

    def _finish(self, statement: Statement | None, block: Block) -> None:
        """Put comments from the middle of a statement above it, where no body in it could take them."""
        if statement is not None and self._pending:
            block.entries[-1:-1] = [CommentLine(text, statement.first_line) for text in self._pending]
            self._pending = []

    def _ends_statement(self) -> bool:
        """Whether what comes next is not the rest of a statement."""
        following = next((part for part in self._stream[self._position :] if isinstance(part, Token)), None)
        return following is None or following.kind not in {"SHORTCUT", "ELSE", "ARROW"}

    def _line_before(self) -> int:
        before = self._stream[self._position - 1]
        return before.line if isinstance(before, Token) else 0

    def _comment(self, comment: Comment, block: Block) -> None:
        line = comment.span.position.line
        last = block.entries[-1] if block.entries else None
        if not comment.own_line and last is None and line == block.first_line and block.header is None:
            block.header = comment.text
        elif not comment.own_line and isinstance(last, Statement) and last.behind is None:
            last.behind = comment.text
        else:
            block.entries.append(CommentLine(comment.text, line))

    def _piece(self, token: Token, pieces: list[Piece]) -> None:
        before = pieces[-1] if pieces else None
        self._position += 1
        if token.kind == "LBRACE" and not self._open_groups:
            line = token.line
            block = Block(line, [CommentLine(text, line) for text in self._pending])
            self._pending = []
            self.entries(block)
            self._position += 1
            pieces.append(block)
        elif token.kind in {"LPAR", "LSQB", "LBRACE"}:
            pieces.append(self._group(token, before))
        else:
            is_value = isinstance(before, Group) or (isinstance(before, Word) and before.kind in _VALUES)
            pieces.append(Word(token.kind, str(token), hugs=token.kind == "MINUS" and not is_value))

    def _group(self, token: Token, before: Piece | None) -> Group:
        kind = before.kind if isinstance(before, Word) else ""
        if token.kind == "LPAR":
            group = Group("(", ")", kind in _CALLABLE or kind == "STRING", kind in _CALLABLE)
        elif token.kind == "LSQB":
            hugs = isinstance(before, Group) or kind in {"NAME", "STRING"}
            group = Group("[", "]", not hugs, hugs)
        else:
            group = Group("{", "}", takes_comma=True, hugs_left=False)
        self._open_groups += 1
        self._items(group)
        self._open_groups -= 1
        return group

    def _items(self, group: Group) -> None:
        item = Item()
        while True:
            part = self._stream[self._position]
            if isinstance(part, Comment):
                self._position += 1
                self._item_comment(part, group, item)
            elif part.kind == "COMMA":
                self._position += 1
                group.items.append(item)
                group.takes_comma = True
                item = Item()
            elif part.kind in {"RPAR", "RSQB", "RBRACE"}:
                self._position += 1
                if item.pieces:
                    group.items.append(item)
                else:
                    group.dangling += item.above
                return
            else:
                self._piece(part, item.pieces)

    def _item_comment(self, comment: Comment, group: Group, item: Item) -> None:
        if comment.own_line:
            item.above.append(comment.text)
        elif item.pieces:
            item.behind.append(comment.text)
        elif group.items:
            group.items[-1].behind.append(comment.text)
        elif not group.header:
            group.header.append(comment.text)
        else:
            item.above.append(comment.text)


def _merged(tokens: Sequence[Token], comments: Iterable[Comment]) -> list[Token | Comment]:
    """Both in the order of the text."""
    merged: list[Token | Comment] = []
    starts = [token.start for token in tokens]
    rest = 0
    for comment in comments:
        before = bisect_left(starts, comment.span.start, rest)
        merged += tokens[rest:before]
        merged.append(comment)
        rest = before
    return merged + list(tokens[rest:])


def read_layout(tokens: Sequence[Token], comments: Iterable[Comment]) -> Block:
    """The layout of a whole text: a block without braces."""
    whole = Block(first_line=0)
    _Reader(tokens, comments).entries(whole)
    return whole
