"""A text as its definitions, each a text of its own: an edit changes one, and what was found of the others holds.

A piece begins with the keyword of a definition in the first column, and the comments above it. Its tree and all that
was built from it have places in the piece, so they stay right wherever the piece moves to. An error in the syntax of a
piece may change how those behind it are read: such a text is read whole, and its tree cut into pieces.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from resdsl.diagnostics import Diagnostic, Diagnostics, Fix, Label, Source, Span
from resdsl.gc_pause import collection_paused
from resdsl.syntax import parse, tree

_DEFINITION = re.compile(r'^(?:model|block|use|const)[ \t]+["\w]', re.MULTILINE)
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, eq=False)
class Piece:
    """A definition, with places counted from where it begins. Equal texts of one file are different pieces."""

    source: Source
    module: tree.Module
    is_clean: bool
    """Whether its syntax has no errors."""

    @cached_property
    def words(self) -> frozenset[str]:
        """All that may be a name in it; those in strings and comments too."""
        return frozenset(_WORD.findall(self.source.text))

    @cached_property
    def defines(self) -> tuple[str, ...]:
        """The names that it gives to the rest of the file."""
        names: list[str] = []
        for item in self.module.items:
            if isinstance(item, tree.Definition | tree.Const):
                names.append(item.name.name)
            elif isinstance(item, tree.Use):
                names += [name.name for name in item.names]
        return tuple(names)

    @property
    def has_const(self) -> bool:
        """Whether it defines a constant, which every network of the file computes."""
        return any(isinstance(item, tree.Const) for item in self.module.items)


def read_pieces(source: Source, known: Sequence[Piece]) -> list[Piece]:
    """The pieces of a text in order; those with the text of a known piece are that piece."""
    spare: dict[str, list[Piece]] = {}
    for piece in reversed(known):
        spare.setdefault(piece.source.text, []).append(piece)
    pieces = []
    for text in _split(source.text):
        same = spare.get(text)
        pieces.append(same.pop() if same else _read(Source(source.name, text, source.path)))
    return pieces


def _read(source: Source) -> Piece:
    diagnostics = Diagnostics()
    module = parse(source, diagnostics)
    return Piece(source, module, is_clean=not len(diagnostics))


def _split(text: str) -> Iterator[str]:
    start = 0
    for found in _DEFINITION.finditer(text):
        begin = _above(text, start, found.start())
        if begin > start:
            yield text[start:begin]
            start = begin
    yield text[start:]


def _above(text: str, start: int, line: int) -> int:
    """The begin of the comments and empty lines right above a line, which stay behind ``start``."""
    while line > start:
        before = text.rfind("\n", start, line - 1) + 1 or start
        written = text[before:line].strip()
        if written and not written.startswith("#"):
            break
        line = before
    return line


class Layout:
    """Where the pieces of a text begin."""

    def __init__(self, source: Source, pieces: Sequence[Piece]) -> None:
        self.source = source
        self.pieces = pieces
        self._named: dict[Piece, frozenset[Piece]] = {}
        self._starts = [0]
        for piece in pieces:
            self._starts.append(self._starts[-1] + len(piece.source.text))
        self._begins: Mapping[Source, int] = {
            piece.source: start for piece, start in zip(pieces, self._starts, strict=False)
        }

    @property
    def is_clean(self) -> bool:
        """Whether no piece has an error in its syntax. One may reach into the pieces behind it."""
        return all(piece.is_clean for piece in self.pieces)

    def cut(self, module: tree.Module) -> Layout | None:
        """The layout in which pieces have the trees of the whole text; ``None`` if an item is in more than one of them.

        A piece whose tree is the same stays that piece.
        """
        items = _by_piece(module.items, self._starts)
        comments = _by_piece(module.comments, self._starts)
        if items is None or comments is None:
            return None
        cut = []
        for piece, start, own, said in zip(self.pieces, self._starts, items, comments, strict=False):
            if piece.is_clean and piece.module.items == own and piece.module.comments == said:
                cut.append(piece)
                continue
            source = Source(piece.source.name, piece.source.text, piece.source.path)
            tree_ = tree.moved(tree.Module(source, own, said, span=module.span), source, -start)
            cut.append(Piece(source, tree_, is_clean=False))
        return Layout(self.source, cut)

    def module(self) -> tree.Module:
        """The tree of the whole text."""
        with collection_paused():
            moved = [tree.moved(piece.module, self.source, self._begins[piece.source]) for piece in self.pieces]
        return _joined(self.source, moved)

    def module_of_pieces(self) -> tree.Module:
        """The tree of the whole text, in which places are those in the pieces."""
        return _joined(self.source, [piece.module for piece in self.pieces])

    def in_text(self, span: Span) -> Span:
        """A place in a piece as one in the text; others as they are."""
        begin = self._begins.get(span.source)
        return span if begin is None else Span(self.source, span.start + begin, span.end + begin)

    def in_piece(self, span: Span) -> Span:
        """A place in the text as one in the piece in which it begins; others as they are."""
        if span.source is not self.source:
            return span
        index = min(bisect_right(self._starts, span.start), len(self.pieces)) - 1
        begin = self._starts[index]
        return Span(self.pieces[index].source, span.start - begin, span.end - begin)

    def diagnostic(self, found: Diagnostic) -> Diagnostic:
        """A diagnostic with its places in the text."""
        return replace(
            found,
            primary=None if found.primary is None else self._label(found.primary),
            secondary=tuple(map(self._label, found.secondary)),
            chain=tuple(replace(call, span=self.in_text(call.span)) for call in found.chain),
            fix=self._fix(found.fix),
            alternative=self._fix(found.alternative),
        )

    def _fix(self, fix: Fix | None) -> Fix | None:
        return fix and Fix(fix.title, tuple(replace(edit, span=self.in_text(edit.span)) for edit in fix.edits))

    def _label(self, label: Label) -> Label:
        return replace(label, span=self.in_text(label.span))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All that the text defines, in order."""
        return tuple(name for piece in self.pieces for name in piece.defines)

    @cached_property
    def _consts(self) -> Sequence[Piece]:
        return [piece for piece in self.pieces if piece.has_const]

    @cached_property
    def _by_name(self) -> Mapping[str, Sequence[Piece]]:
        by_name: dict[str, list[Piece]] = {}
        for piece in self.pieces:
            for defined in piece.defines:
                by_name.setdefault(defined, []).append(piece)
        return by_name

    def needed(self, name: str) -> tuple[Piece, ...]:
        """The pieces that the network of a model depends on, in order."""
        pending = {*self._by_name.get(name, ()), *self._consts}
        found: set[Piece] = set()
        while pending:
            found |= pending
            pending = set().union(*map(self._named_in, pending)) - found
        return tuple(sorted(found, key=lambda piece: self._begins[piece.source]))

    def _named_in(self, piece: Piece) -> frozenset[Piece]:
        named = self._named.get(piece)
        if named is None:
            by_name = self._by_name
            words = by_name.keys() & piece.words
            named = self._named[piece] = frozenset(other for word in words for other in by_name[word])
        return named


_Item = TypeVar("_Item", bound=tree.Tree)


def _by_piece(items: Sequence[_Item], starts: Sequence[int]) -> list[tuple[_Item, ...]] | None:
    """The items that begin in each piece; ``None`` if one ends in another. The last of ``starts`` is the end."""
    found: list[tuple[_Item, ...]] = []
    first = 0
    for end in starts[1:]:
        last = first
        while last < len(items) and items[last].span.start < end:
            last += 1
        if last > first and items[last - 1].span.end > end:
            return None
        found.append(tuple(items[first:last]))
        first = last
    return found if first == len(items) else None


def _joined(source: Source, modules: Sequence[tree.Module]) -> tree.Module:
    return tree.Module(
        source,
        tuple(item for module in modules for item in module.items),
        tuple(comment for module in modules for comment in module.comments),
        span=source.span(0, len(source.text)),
    )
