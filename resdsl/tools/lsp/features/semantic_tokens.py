"""What each word of a text is, for colours: better than a grammar of an editor can know."""

from __future__ import annotations

from itertools import pairwise

from lsprotocol import types

from resdsl.tools.lsp.analysis import Analysis
from resdsl.tools.lsp.names import Kind

LEGEND = types.SemanticTokensLegend(
    token_types=[
        "keyword", "class", "function", "parameter", "variable", "property", "enumMember", "type", "number", "string",
        "comment", "operator", "label",
    ],
    token_modifiers=["declaration", "readonly", "defaultLibrary"],
)  # fmt: skip

_DECLARATION, _READONLY, _LIBRARY = 1, 2, 4

_OF_KIND = {
    Kind.MODEL: ("class", 0),
    Kind.BLOCK: ("class", 0),
    Kind.PARAMETER: ("parameter", 0),
    Kind.CONST: ("variable", _READONLY),
    Kind.VARIABLE: ("variable", 0),
    Kind.TAP: ("variable", 0),
    Kind.LABEL: ("property", 0),
    Kind.INPUT: ("variable", 0),
    Kind.OUTPUT: ("variable", 0),
    Kind.SIZE: ("variable", _READONLY),
    Kind.WORD: ("enumMember", 0),
    Kind.OPERATOR: ("function", _LIBRARY),
    Kind.ARGUMENT: ("property", 0),
}

_KEYWORDS = frozenset({
    "MODEL", "BLOCK", "RESIDUAL", "CONCAT", "ADD", "MUL", "MEAN", "USE", "CONST", "INPUT", "OUTPUT", "PREPROCESS",
    "LABELS", "EXPECT", "DEFAULT", "STAGE", "SHORTCUT", "TAP", "FROM", "FOR", "IN", "IF", "ELSE", "AUX", "AND", "OR",
    "NOT", "TRUE", "FALSE", "X",
})  # fmt: skip

_LITERALS = {"INT": "number", "FLOAT": "number", "SIZE": "number", "STRING": "string"}


def semantic_tokens(analysis: Analysis, within: types.Range | None = None) -> types.SemanticTokens:
    """The tokens of a text, or of a part of it, as the protocol encodes them."""
    places = analysis.positions
    start = 0 if within is None else places.offset(within.start)
    end = len(analysis.source.text) if within is None else places.offset(within.end)
    spans: dict[int, tuple[int, str, int]] = {}
    for token in analysis.reading.tokens:
        kind = "keyword" if token.kind in _KEYWORDS else _LITERALS.get(token.kind)
        if kind is not None and token.end > token.start:
            spans[token.start] = (token.end, kind, 0)
    for comment in analysis.reading.comments:
        spans[comment.span.start] = (comment.span.end, "comment", 0)
    for one in analysis.names.occurrences:
        kind, modifiers = _OF_KIND[one.symbol.kind]
        declared = _DECLARATION if one.defines else 0
        known = spans.get(one.span.start)
        # The names in the holes of a label are their own.
        if one.symbol.kind is Kind.LABEL and "{" in one.symbol.name:
            spans.setdefault(one.span.start, (one.span.start + one.symbol.name.index("{"), kind, declared))
        elif known is None or known[1] == "keyword":
            spans[one.span.start] = (one.span.end, kind, modifiers | declared)
    chosen = [(at, *spans[at]) for at in sorted(spans) if at >= start and spans[at][0] <= end and spans[at][0] > at]
    return types.SemanticTokens(_encoded(analysis, _disjoint(chosen)))


def _disjoint(spans: list[tuple[int, int, str, int]]) -> list[tuple[int, int, str, int]]:
    """Without those that reach into the next."""
    kept = [(at, min(end, after[0]), kind, modifiers) for (at, end, kind, modifiers), after in pairwise(spans)]
    return [*kept, *spans[-1:]]


def _encoded(analysis: Analysis, spans: list[tuple[int, int, str, int]]) -> list[int]:
    data: list[int] = []
    line, column = 0, 0
    for at, end, kind, modifiers in spans:
        place = analysis.positions.position(at)
        if analysis.positions.position(end).line != place.line or end <= at:
            continue
        length = analysis.positions.units(at, end)
        data += [
            place.line - line,
            place.character - (column if place.line == line else 0),
            length,
            LEGEND.token_types.index(kind),
            modifiers,
        ]
        line, column = place.line, place.character
    return data
