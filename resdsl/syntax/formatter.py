"""Formats a text in the language's one layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from resdsl.diagnostics import Diagnostics, Source
from resdsl.gc_pause import collection_paused
from resdsl.syntax.alignment import align
from resdsl.syntax.layout import (
    Block,
    CommentLine,
    Group,
    Item,
    Piece,
    Statement,
    Word,
    blank_between,
    flat,
    read_layout,
)
from resdsl.syntax.parser import read

WIDTH = 120
"""Columns that code may fill; comments may be longer."""

INDENT = 2
_BREAKS_BEFORE = frozenset({"ELSE", "OR", "AND", "PLUS", "MINUS"})


def format_source(source: Source, diagnostics: Diagnostics) -> str | None:
    """A text in the language's one layout; ``None`` if it has syntax errors, which go to ``diagnostics``.

    The meaning stays: parsing the result gives an equal tree, every comment is kept, and formatting it again changes
    nothing. The author decides which statements share a line and where blank lines are, unless a line is too long.
    """
    # Also frees the result of reading before garbage collection is resumed.
    with collection_paused():
        return _formatted(source, diagnostics)


def _formatted(source: Source, diagnostics: Diagnostics) -> str | None:
    reading = read(source)
    if reading.log:
        reading.log.report_to(diagnostics)
        return None
    lines = _entries(read_layout(reading.tokens, reading.comments).entries, 0)
    return "".join(f"{line}\n" for line in lines)


@dataclass(slots=True)
class _Row:
    """Statements that share a line, or one statement that needs several lines, or a comment.

    ``text`` is the only line of code, without indentation, if there is no more than one.
    """

    entries: list[Statement | CommentLine]
    text: str | None

    @property
    def first_line(self) -> int:
        return self.entries[0].first_line

    @property
    def last_line(self) -> int:
        return self.entries[-1].last_line


def _entries(entries: list[Statement | CommentLine], indent: int) -> list[str]:
    """The lines of consecutive statements."""
    rows = _rows(entries, indent)
    aligned = align([_candidate(row, indent) for row in rows], _gaps(rows), WIDTH - indent)
    lines: list[str] = []
    for position, row in enumerate(rows):
        if position and row.first_line - rows[position - 1].last_line > 1:
            lines.append("")
        lines += _row(row, aligned.get(position), indent)
    return lines


def _rows(entries: list[Statement | CommentLine], indent: int) -> list[_Row]:
    """Statements grouped as the author did, if they fit on a line."""
    groups: list[list[Statement | CommentLine]] = []
    for entry in entries:
        before = groups[-1][-1] if groups else None
        together = (
            isinstance(entry, Statement)
            and isinstance(before, Statement)
            and before.last_line == entry.first_line
            and before.behind is None
            and before.flat is not None
            and entry.flat is not None
        )
        if together:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    rows: list[_Row] = []
    for group in groups:
        text = _one_line(group)
        if text is not None and len(text) <= WIDTH - indent:
            rows.append(_Row(group, text))
        else:
            rows += [_Row([entry], _one_line([entry])) for entry in group]
    return rows


def _one_line(entries: Iterable[Statement | CommentLine]) -> str | None:
    """Statements on one line; ``None`` if one of them needs several, or is a comment."""
    texts: list[str] = []
    for entry in entries:
        if not isinstance(entry, Statement) or entry.flat is None:
            return None
        texts.append(entry.flat)
    return ";  ".join(texts)


def _gaps(rows: list[_Row]) -> set[int]:
    """Positions of rows that a blank line precedes."""
    return {
        position for position in range(1, len(rows)) if rows[position].first_line - rows[position - 1].last_line > 1
    }


def _candidate(row: _Row, indent: int) -> Sequence[Statement] | None:
    """The statements of a line that could be aligned with those above and below."""
    statements = [entry for entry in row.entries if isinstance(entry, Statement)]
    return statements if row.text is not None and len(row.text) <= WIDTH - indent else None


def _row(row: _Row, aligned: str | None, indent: int) -> list[str]:
    margin = " " * indent
    first, last = row.entries[0], row.entries[-1]
    if isinstance(first, CommentLine):
        return [margin + first.text]
    text = aligned or row.text
    lines = (
        [margin + text]
        if text is not None and len(text) <= WIDTH - indent
        else [line for entry in row.entries if isinstance(entry, Statement) for line in _statement(entry, indent)]
    )
    if isinstance(last, Statement) and last.behind is not None:
        lines[-1] += f"  {last.behind}"
    return lines


def _statement(statement: Statement, indent: int) -> list[str]:
    """The lines of a statement that needs several."""
    lines: list[str] = []
    opened = _opened_blocks(statement.pieces, indent)
    run: list[Piece] = []
    prefix = ""
    for piece in statement.pieces:
        run.append(piece)
        if not isinstance(piece, Block) or id(piece) not in opened:
            continue
        lines += _run(run[:-1], prefix, " {" if len(run) > 1 or prefix else "{", indent)
        if piece.header:
            lines[-1] += f"  {piece.header}"
        lines += _entries(piece.entries, indent + INDENT)
        run, prefix = [], "}"
    if run or prefix:
        lines += _run(run, prefix, "", indent)
    return lines


def _opened_blocks(pieces: list[Piece], indent: int) -> set[int]:
    """The blocks, by identity, that are written on several lines: as the author did, or because a line is too long."""
    opened = {id(piece) for piece in pieces if isinstance(piece, Block) and piece.flat is None}
    while True:
        too_long = _block_in_long_line(pieces, opened, WIDTH - indent)
        if too_long is None:
            return opened
        opened.add(id(too_long))


def _block_in_long_line(pieces: list[Piece], opened: set[int], width: int) -> Block | None:
    """The last block that is written on one line which is longer than ``width``."""
    length = 0
    candidate: Block | None = None
    before: Piece | None = None
    for piece in pieces:
        if isinstance(piece, Block) and id(piece) in opened:
            if candidate is not None and length + 2 > width:
                return candidate
            length, candidate, before = 1, None, piece
            continue
        length += len(blank_between(before, piece)) + len(piece.flat or "")
        candidate = piece if isinstance(piece, Block) and piece.entries else candidate
        before = piece
    return candidate if length > width else None


def _run(pieces: list[Piece], prefix: str, suffix: str, indent: int) -> list[str]:
    """Pieces on one line, or on several, split inside brackets."""
    margin = " " * indent
    text = flat(pieces)
    gap = " " if prefix and pieces else ""
    if text is not None and len(prefix + gap + text + suffix) <= WIDTH - indent:
        return [margin + prefix + gap + text + suffix]
    breakable = [piece for piece in pieces if isinstance(piece, Group) and (piece.items or piece.flat is None)]
    must = [piece for piece in breakable if piece.flat is None]
    if not breakable:
        return [margin + prefix + gap + (text or "") + suffix]
    # Arguments before anything else: a list of them reads well one per line.
    preferred = [piece for piece in breakable if piece.takes_comma] or breakable
    around = (len(prefix + gap), len(suffix))
    fitting = [piece for piece in preferred if _fits_if_broken(pieces, piece, around, WIDTH - indent)]
    broken = {id(piece) for piece in must or fitting[:1] or preferred[:1]}
    return _broken_run(pieces, broken, (prefix + gap, suffix), indent)


def _fits_if_broken(pieces: list[Piece], group: Group, around: tuple[int, int], width: int) -> bool:
    """Whether the lines that hold the brackets of a group fit, if it is split."""
    position = next(position for position, piece in enumerate(pieces) if piece is group)
    before, behind = flat(pieces[:position]) or "", flat(pieces[position + 1 :]) or ""
    return around[0] + len(before) + 2 <= width and 2 + len(behind) + around[1] <= width


def _broken_run(pieces: list[Piece], broken: set[int], around: tuple[str, str], indent: int) -> list[str]:
    margin = " " * indent
    lines: list[str] = []
    current = around[0]
    before: Piece | None = None
    for piece in pieces:
        current += blank_between(before, piece)
        if isinstance(piece, Group) and id(piece) in broken:
            header = "".join(f"  {comment}" for comment in piece.header)
            lines.append(margin + current + piece.opening + header)
            lines += _group(piece, indent + INDENT)
            current = piece.closing
        else:
            current += piece.flat or ""
        before = piece
    lines.append(margin + current + around[1])
    return lines


def _group(group: Group, indent: int) -> list[str]:
    """The inside of a bracket: one item per line, or filled lines if all items are single words."""
    margin = " " * indent
    words = [item.pieces[0].flat for item in group.items if len(item.pieces) == 1 and isinstance(item.pieces[0], Word)]
    if len(words) == len(group.items) and group.flat is not None:
        last = "," if group.takes_comma else ""
        written = [f"{word}," for word in words[:-1]] + [f"{word}{last}" for word in words[-1:]]
        return [margin + line for line in _filled(written, WIDTH - indent)]
    _align_rows(group, WIDTH - indent)
    lines: list[str] = []
    for item in group.items:
        lines += [margin + comment for comment in _above(item)]
        lines += _item(item.pieces, "," if group.takes_comma else "", indent)
        if item.behind:
            lines[-1] += f"  {item.behind[-1]}"
    return lines + [margin + comment for comment in group.dangling]


def _align_rows(group: Group, width: int) -> None:
    """Write the rows of a table with their columns flush right, if all are equally long and fit."""
    rows = group.rows
    if rows is None or any(row.flat is None for row in rows) or len({len(row.items) for row in rows}) != 1:
        return
    cells = [[flat(item.pieces) or "" for item in row.items] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if sum(widths) + 2 * len(widths) + 1 <= width:
        for row, texts in zip(rows, cells, strict=True):
            columns = (f"{text:>{size}}" for text, size in zip(texts, widths, strict=True))
            row.flat = f"[{', '.join(columns)}]"


def _item(pieces: list[Piece], suffix: str, indent: int) -> list[str]:
    """One item, split before operators if it is too long for a line."""
    text = flat(pieces)
    chunks = _chunks(pieces)
    if text is None or len(text + suffix) <= WIDTH - indent or len(chunks) == 1:
        return _run(pieces, "", suffix, indent)
    # Continuation lines are indented further, so the first line has more room than the others.
    first, *others = _filled([*chunks[:-1], chunks[-1] + suffix], WIDTH - indent - INDENT)
    return [" " * indent + first, *(" " * (indent + INDENT) + line for line in others)]


def _chunks(pieces: list[Piece]) -> list[str]:
    """An expression split before the operators of the lowest precedence."""
    starts = [
        position
        for position, piece in enumerate(pieces)
        if position and isinstance(piece, Word) and piece.kind in _BREAKS_BEFORE and not piece.hugs_right
    ]
    bounds = pairwise([0, *starts, len(pieces)])
    return [flat(pieces[start:end]) or "" for start, end in bounds]


def _filled(words: list[str], width: int) -> list[str]:
    """Words on as few lines as possible."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _above(item: Item) -> Iterable[str]:
    """Only one of several comments after an item can stay there; the others move above it."""
    return [*item.above, *item.behind[:-1]]
