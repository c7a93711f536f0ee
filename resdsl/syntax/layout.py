"""The text as the formatter sees it: statements made of words and brackets, with their comments.

It keeps what the tree drops (parentheses, the notation of numbers, comments). It is built from the kinds of the tokens
as the parser read them, without the nodes of the tree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from resdsl.syntax.token import Token
from resdsl.syntax.tree import Comment

_CALLABLE = frozenset({"NAME", "LABEL_NAME", "RESIDUAL"})
_VALUES = frozenset({"NAME", "INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE"})


@dataclass(slots=True)
class Word:
    """A token that is no bracket. No blank precedes it if it ``hugs_left``; none follows if it ``hugs_right``, as after
    a sign.
    """

    kind: str
    flat: str
    hugs_left: bool = False
    hugs_right: bool = False


@dataclass(slots=True)
class Item:
    """The text between two commas, with the comments above and after it."""

    pieces: list[Piece] = field(default_factory=list)
    above: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """``(...)``, ``[...]`` or an enumeration. ``takes_comma``: whether a comma may follow the last item.

    ``flat`` is the group on one line; ``None`` if comments prevent that, or if it is a table: a list of lists that the
    author wrote on several lines.
    """

    opening: str
    closing: str
    takes_comma: bool
    hugs_left: bool
    items: list[Item] = field(default_factory=list)
    header: list[str] = field(default_factory=list)
    dangling: list[str] = field(default_factory=list)
    flat: str | None = None
    hugs_right: bool = False
    one_line: bool = True
    """Whether the author wrote the first item on the line of the bracket."""

    @property
    def rows(self) -> list[Group] | None:
        """The lists that this is a list of; ``None`` if it is no table."""
        rows = [piece for item in self.items for piece in item.pieces if isinstance(piece, Group)]
        is_table = len(rows) > 1 and all(len(item.pieces) == 1 for item in self.items) and len(rows) == len(self.items)
        return rows if is_table and all(group.opening == "[" for group in [self, *rows]) else None

    def finish(self) -> None:
        """Compute ``flat`` when all items are there."""
        if self.header or self.dangling or (not self.one_line and self.rows):
            return
        texts: list[str] = []
        for item in self.items:
            text = None if item.above or item.behind else flat(item.pieces)
            if text is None:
                return
            texts.append(text)
        self.flat = f"{self.opening}{', '.join(texts)}{self.closing}"


@dataclass(slots=True)
class Statement:
    """One statement and the comment after it. Lines are those of the source, counted from 1.

    ``flat`` is the statement on one line, without that comment; ``None`` if it needs several.
    """

    first_line: int
    pieces: list[Piece] = field(default_factory=list)
    behind: str | None = None
    last_line: int = 0
    flat: str | None = None


@dataclass(slots=True)
class CommentLine:
    """A comment on a line of its own."""

    text: str
    first_line: int

    @property
    def last_line(self) -> int:
        return self.first_line


@dataclass(slots=True)
class Block:
    """``{ ... }`` with statements in it. ``one_line``: the author wrote it on one line.

    ``inner`` is the text in the braces on one line, ``flat`` the same with the braces; ``None`` if the author wrote
    several lines, or comments require them.
    """

    first_line: int
    entries: list[Statement | CommentLine] = field(default_factory=list)
    header: str | None = None
    one_line: bool = False
    inner: str | None = None
    flat: str | None = None
    hugs_left: bool = False
    hugs_right: bool = False

    def finish(self) -> None:
        """Compute ``inner`` and ``flat`` when all statements are there."""
        if not self.one_line or self.header:
            return
        texts: list[str] = []
        for entry in self.entries:
            if not isinstance(entry, Statement) or entry.behind or entry.flat is None:
                return
            texts.append(entry.flat)
        self.inner = "; ".join(texts)
        self.flat = f"{{ {self.inner} }}" if self.inner else "{}"


Piece = Word | Group | Block


def flat(pieces: list[Piece]) -> str | None:
    """Pieces on one line; ``None`` if one of them needs several."""
    text = ""
    # Nothing precedes the first piece.
    hugs = True
    for piece in pieces:
        if piece.flat is None:
            return None
        text += piece.flat if hugs or piece.hugs_left else f" {piece.flat}"
        hugs = piece.hugs_right
    return text


def blank_between(before: Piece | None, piece: Piece) -> str:
    """The blank between two pieces, or nothing."""
    return "" if before is None or before.hugs_right or piece.hugs_left else " "


class _Reader:
    """Builds the layout from the tokens and comments of a text without syntax errors."""

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
        block.finish()

    def _finish(self, statement: Statement | None, block: Block) -> None:
        """Move comments in the middle of a statement above it, unless a body in it has taken them."""
        if statement is None:
            return
        statement.flat = flat(statement.pieces)
        if self._pending:
            block.entries[-1:-1] = [CommentLine(text, statement.first_line) for text in self._pending]
            self._pending = []

    def _ends_statement(self) -> bool:
        """Whether the next token does not continue the statement."""
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
            pieces.append(_word(token, before))

    def _group(self, token: Token, before: Piece | None) -> Group:
        kind = before.kind if isinstance(before, Word) else ""
        if token.kind == "LPAR":
            group = Group("(", ")", kind in _CALLABLE or kind == "STRING", kind in _CALLABLE)
        elif token.kind == "LSQB":
            hugs = isinstance(before, Group) or kind in {"NAME", "STRING"}
            group = Group("[", "]", not hugs, hugs)
        else:
            group = Group("{", "}", takes_comma=True, hugs_left=False)
        following = self._stream[self._position]
        group.one_line = isinstance(following, Token) and following.line == token.line
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
                group.finish()
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


def _word(token: Token, before: Piece | None) -> Word:
    kind = token.kind
    if kind == "COLON":
        return Word(kind, token, hugs_left=True)
    if kind == "DOTDOT":
        return Word(kind, token, hugs_left=True, hugs_right=True)
    if kind == "MINUS":
        is_value = isinstance(before, Group) or (isinstance(before, Word) and before.kind in _VALUES)
        return Word(kind, token, hugs_right=not is_value)
    return Word(kind, token)


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
    block = Block(first_line=0)
    _Reader(tokens, comments).entries(block)
    return block
