"""Aligns consecutive lines in columns, so that a network reads like the table in its paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from resdsl.syntax.layout import Block, Group, Piece, Statement, Word, flat

_LARGEST_PADDING = 24
"""Texts whose lengths differ by more are not padded to the same length: the gap would be too large."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """``header { lead count body } -> [dims];  rest``. ``count`` is empty where the body is no repeat."""

    header: str
    lead: str
    count: str
    body: str
    dims: tuple[str, ...] | None
    rest: str


@dataclass(frozen=True, slots=True)
class _Annotated:
    """Any other line that ends with ``-> [dims]``."""

    body: str
    dims: tuple[str, ...]


def align(rows: Sequence[Sequence[Statement] | None], gaps: set[int], width: int) -> dict[int, str]:
    """The text of each line that is aligned with the lines above or below, by its position.

    ``rows`` are the statements of each line, ``None`` if they need several lines; ``gaps`` are positions that a blank
    line precedes. Stages are aligned with stages, other lines with shape annotations with each other. If aligned lines
    would be longer than ``width``, nothing is aligned.
    """
    parts = [_stage(row) or _annotated(row) if row else None for row in rows]
    aligned: dict[int, str] = {}
    start = 0
    for position in range(1, len(parts) + 1):
        if position < len(parts) and position not in gaps and type(parts[position]) is type(parts[start]):
            continue
        texts = _in_columns(parts[start:position])
        if len(texts) > 1 and all(len(text) <= width for text in texts):
            aligned.update(enumerate(texts, start))
        start = position
    return aligned


def _in_columns(lines: Sequence[_Stage | _Annotated | None]) -> list[str]:
    """Lines of one kind, aligned; none where they are of no kind."""
    stages = [line for line in lines if isinstance(line, _Stage)]
    if stages:
        return _aligned(stages)
    annotated = [line for line in lines if isinstance(line, _Annotated)]
    bodies = _padded([line.body for line in annotated])
    annotations = _annotations([line.dims for line in annotated])
    return [body + annotation for body, annotation in zip(bodies, annotations, strict=True)]


def _annotated(statements: Sequence[Statement]) -> _Annotated | None:
    """The parts of a line that ends with an annotation."""
    *others, last = statements
    match last.pieces:
        case [*pieces, Word("ARROW"), Group()]:
            dims = _dims(last.pieces[-2:])
            body = ";  ".join([*(statement.flat or "" for statement in others), flat(pieces) or ""])
            return None if dims is None else _Annotated(body, dims)
        case _:
            return None


def _padded(texts: list[str]) -> list[str]:
    """Texts padded to the same length, unless that leaves large gaps."""
    widest, narrowest = max(map(len, texts), default=0), min(map(len, texts), default=0)
    return [f"{text:<{widest}}" for text in texts] if widest - narrowest <= _LARGEST_PADDING else texts


def _stage(statements: Sequence[Statement]) -> _Stage | None:
    """The parts of a line that begins with a stage."""
    pieces = statements[0].pieces
    position = next((position for position, piece in enumerate(pieces) if isinstance(piece, Block)), None)
    if position is None or not isinstance(pieces[0], Word) or pieces[0].kind != "STAGE":
        return None
    block = pieces[position]
    header = flat(pieces[:position])
    if not isinstance(block, Block) or not block.inner or header is None:
        return None
    lead, count = _repeat(block)
    rest = "".join(f";  {statement.flat}" for statement in statements[1:])
    body = block.inner[len(lead) + len(count) :].lstrip()
    return _Stage(header, lead, count, body, _dims(pieces[position + 1 :]), rest)


def _repeat(block: Block) -> tuple[str, str]:
    """The text before the count of the repeat at the start of a body, and the count: ``blocks: `` and ``3``."""
    first = block.entries[0]
    words = [piece for piece in first.pieces if isinstance(piece, Word)] if isinstance(first, Statement) else []
    match words:
        case [Word("INT", count), *_]:
            return "", count
        case [Word("LABEL", label), Word("COLON"), Word("INT", count), *_]:
            return f"{label}: ", count
        case _:
            return "", ""


def _dims(pieces: list[Piece]) -> tuple[str, ...] | None:
    """The sizes of ``-> [N, 64, 56, 56]``."""
    if len(pieces) != 2 or not isinstance(pieces[1], Group):
        return None
    return tuple(flat(item.pieces) or "" for item in pieces[1].items)


def _aligned(stages: list[_Stage]) -> list[str]:
    header = max(len(stage.header) for stage in stages)
    bodies = _padded(_bodies(stages))
    annotations = _annotations([stage.dims for stage in stages])
    return [
        f"{stage.header:<{header}} {{ {text} }}{annotation}{stage.rest}"
        for stage, text, annotation in zip(stages, bodies, annotations, strict=True)
    ]


def _bodies(stages: list[_Stage]) -> list[str]:
    """The bodies, with counts flush right where all are repeats."""
    if not all(stage.count for stage in stages):
        return [f"{stage.lead}{stage.count} {stage.body}".lstrip() for stage in stages]
    lead = max(len(stage.lead) for stage in stages)
    count = max(len(stage.count) for stage in stages)
    return [f"{stage.lead:<{lead}}{stage.count:>{count}} {stage.body}" for stage in stages]


def _annotations(shapes: list[tuple[str, ...] | None]) -> list[str]:
    """The annotations, with sizes in columns where all have as many."""
    written = [dims for dims in shapes if dims is not None]
    if len({len(dims) for dims in written}) != 1:
        return ["" if dims is None else f" -> [{', '.join(dims)}]" for dims in shapes]
    widths = [max(map(len, column)) for column in zip(*written, strict=True)]
    return [
        "" if dims is None else f" -> [{', '.join(f'{dim:>{width}}' for dim, width in zip(dims, widths, strict=True))}]"
        for dims in shapes
    ]
