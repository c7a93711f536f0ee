"""Random edits of a text, as an editor sends them, with every feature asked at random places.

Run it for longer with ``python -m tests.lsp.random_edits EDITS [SEED]``.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lsprotocol import converters, types

from resdsl.diagnostics import Source
from resdsl.elaborate.program import read_file
from resdsl.tools.lsp.analysis import Analysis, Settings
from resdsl.tools.lsp.features import (
    completion,
    diagnostics,
    formatting,
    hierarchy,
    hints,
    hover,
    navigation,
    outline,
    semantic_tokens,
)
from resdsl.tools.lsp.positions import Positions

SPECS = Path(__file__).parents[2] / "specs"
START = [SPECS / "resnet18.res", SPECS / "mobilenet_v2.res", SPECS / "densenet121.res", SPECS / "googlenet.res"]
PIECES = [
    "\n", "\r\n", " ", "{", "}", "(", ")", "[", "]", '"', ",", ":", ";", "#", "=", "->", "..", "relu", "if ", "else",
    "conv(64, 3x3)", "stage layer9 { relu }", "residual { conv(8, 3x3) } shortcut pad", "tap t", "from t { relu }",
    "const k = 3", "use ", "for i in 1..3 { l{i}: conv(4, 3x3) }", "block b(w = 2) { conv(w, 3x3) }\n", "channels",
    "model m { input x: f32[N, 3, 8, 8] }\n", "é", "😋", "\f", "\t", "\x00", "\u2028", "x", "0", "99999999999999999999",
    "std/residual.res",
]  # fmt: skip

_CONVERTER: Callable[..., Any] = converters.get_converter().unstructure


def random_edits(edits: int, seed: int) -> Iterator[str]:
    """Make edits, ask after each, and check the answers; gives each text."""
    chance = random.Random(seed)
    text = ""
    for number in range(edits):
        if number % 60 == 0 or len(text) > 4_000:
            text = chance.choice(START).read_text()
        text = _edited(chance, text)
        _ask(chance, text)
        yield text


def _edited(chance: random.Random, text: str) -> str:
    """The text after an incremental change, which has to be what splicing characters gives."""
    start = chance.randint(0, len(text))
    end = min(len(text), start + chance.choice([0, 0, 0, 1, 1, 3, 20, 200]))
    piece = chance.choice([*PIECES, "", text[max(0, start - 9) : start]])
    encoding = chance.choice(["utf-8", "utf-16", "utf-32"])
    positions = Positions(text, encoding)
    where = positions.range(start, end)
    # A place between the characters of a line end is moved before them.
    start, end = positions.offset(where.start), positions.offset(where.end)
    expected = text[:start] + piece + text[end:]
    changed = positions.changed(types.TextDocumentContentChangePartial(where, piece))
    assert changed == expected, (text, where, piece)
    return changed


def _ask(chance: random.Random, text: str) -> None:
    source = Source("net.res", text, SPECS / "net.res")
    analysis = Analysis(source, Settings(), "utf-16", read_file)
    analysis.run()
    offset = chance.randint(0, len(text))
    position = analysis.positions.position(offset)
    assert analysis.positions.offset(position) <= offset
    whole = analysis.positions.range(0, len(text))
    answers: list[object] = [
        diagnostics.diagnostics(analysis),
        hints.inlay_hints(analysis, whole, {}),
        hints.code_lenses(analysis, {}),
        hover.hover(analysis, position, {}),
        completion.completions(analysis, position),
        completion.signature_help(analysis, position),
        outline.document_symbols(analysis),
        outline.folding_ranges(analysis),
        outline.selection_ranges(analysis, [position]),
        outline.links(analysis),
        navigation.definition(analysis, position),
        navigation.references(analysis, [], position, with_definition=True),
        navigation.highlights(analysis, position),
        navigation.prepare_rename(analysis, position),
        hierarchy.prepare(analysis, position),
        formatting.formatted(analysis),
    ]
    tokens = semantic_tokens.semantic_tokens(analysis)
    _check_tokens(analysis, tokens.data)
    for answer in answers:
        _check_places(_CONVERTER(answer))


def _check_places(answer: object) -> None:
    """No range of an answer is backwards."""
    stack = [answer]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            if {"start", "end"} <= one.keys() and "uri" not in one:
                start, end = one["start"], one["end"]
                if isinstance(start, dict):
                    assert (start["line"], start["character"]) <= (end["line"], end["character"]), one
            # Places in other files are not of this text.
            stack += [value for key, value in one.items() if not (key == "location" or "uri" in one)]
        elif isinstance(one, list | tuple):
            stack += one


def _check_tokens(analysis: Analysis, data: Any) -> None:
    line = column = 0
    for index in range(0, len(data), 5):
        down, right, length, _, _ = data[index : index + 5]
        line, column = line + down, right if down else column + right
        start = analysis.positions.offset(types.Position(line, column))
        end = analysis.positions.offset(types.Position(line, column + length))
        assert length > 0 and analysis.positions.position(start) == types.Position(line, column)
        assert end <= analysis.positions.line_end(line) and analysis.positions.units(start, end) == length


if __name__ == "__main__":
    for count, _ in enumerate(random_edits(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0), 1):
        if count % 1000 == 0:
            print(count, flush=True)
