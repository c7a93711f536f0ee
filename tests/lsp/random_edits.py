"""Random edits of a text, as an editor sends them, with every feature asked at random places.

After each edit the state is that of a start on the text as it is then: what the command line says of it.

Run it for longer with ``python -m tests.lsp.random_edits EDITS [SEED]``.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lsprotocol import converters, types

from resdsl.diagnostics import Source, Span
from resdsl.elaborate.claims import only_claims
from resdsl.elaborate.limits import Limits
from resdsl.elaborate.program import read_file
from resdsl.elaborate.trace import Trace, Visits
from resdsl.ir.graph import Graph
from resdsl.specification.specification import Specification
from resdsl.tools.lsp.analysis import Analysis, Known, Settings
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
START = [
    SPECS / f"{name}.res" for name in ("resnet18", "mobilenet_v2", "vgg19", "resnet_cifar", "wrn_16_8", "googlenet")
]
SMALL = """\
use "std/residual.res" (basic)

const widths = [8, 16]
const k = 3

# resdsl: allow W0501
block cell(w, n = 2) {
  parts: n x { conv(w, k); relu }  # resdsl: allow W0501
  residual { a: conv(w, 3x3); b: bn } shortcut pad
  tap kept
  concat { identity; from kept { relu } }
}

block unused(w) { conv(w, 1x1, bias = true); bn }

model one(width = 8) {
  input x: f32[N, 3, 16, 16]
  for w in widths { cell{w}: cell(w) }
  stage layer1(stride = 2) { 3 x basic(width) }
  output y
}

model two {
  input x: f32[N, 4, H, W]
  one: cell(4)
  4 x cell(8, 1)
  head: { avgpool(global); flatten; fc: linear(10) }
  output logits
  expect parameters == 1_000
}
"""
DEFINITIONS = [
    'use "std/residual.res" (basic)\n',
    "const k = 3\n",
    "# resdsl: allow W0501\n",
    "block cell(w) {\n  a: conv(w, k); bn\n  residual { b: conv(w, 3x3) }\n}\n",
    "block pair(w = 8) { 2 x cell(w); tap t }\n",
    "model one {\n  input x: f32[N, 3, 8, 8]\n  c: cell(8) -> [N, 8, 8, 8]\n  output y\n}\n",
    "model two(n = 2) {\n  input x: f32[N, 4, H, W]\n  n x pair\n  from t { relu; output y }\n}\n",
    "model three {\n  input x: f32[1, 8, 4, 4]\n  stage s(stride = 2) { b: basic(8) }\n  output z\n}\n",
]
"""A short text is some of these, in any order: they use each other, or what is missing."""
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
    text, known = "", Known()
    for number in range(edits):
        if number % 60 == 0 or len(text) > 6_000:
            text, known = _start(chance), Known()
        changed = _edited(chance, text)
        has_errors = _ask(chance, changed, known)
        yield changed
        # Most edits break a text. Those that follow begin with one that is whole, or nothing would be kept of it.
        text = changed if not has_errors or chance.random() < 0.3 else text


def _start(chance: random.Random) -> str:
    """A few short definitions, one text, or several that share a file: their definitions get names of their own."""
    kind = chance.random()
    if kind < 0.7:
        return "".join(chance.sample(DEFINITIONS, chance.randint(2, len(DEFINITIONS))))
    if kind < 0.85:
        return SMALL
    texts = [path.read_text(encoding="utf-8") for path in chance.sample(START, chance.choice([1, 1, 2, 3]))]
    numbered = [
        re.sub(r"(?m)^(model|block|const) (\w+)", rf"\1 \2_{number}", text) if number else text
        for number, text in enumerate(texts)
    ]
    return "\n".join(numbered)


def _whole(source: Source) -> Specification:
    """The text as the command line checks it."""
    whole = Specification(source, model=None, arguments={}, input_shape=None, limits=Limits())
    whole.trace = Trace()
    whole.check()
    return whole


def _check_state(analysis: Analysis) -> None:
    """What is known of the text is what the command line finds, whatever was taken over from earlier versions."""
    whole = _whole(analysis.source)
    assert sorted(map(repr, analysis.diagnostics)) == sorted(map(repr, whole.diagnostics)), analysis.source.text
    graphs = {**whole.checked, **whole.unexpected} if only_claims(whole.diagnostics) else {}
    assert list(analysis.graphs) == [name for name in whole.models if name in graphs], analysis.source.text
    for name, graph in graphs.items():
        assert _parts(analysis, analysis.graphs[name]) == _parts(analysis, graph), analysis.source.text
    assert whole.trace is not None
    found = {step.span: _shown(analysis, analysis.visits(step.span)) for step in analysis.steps}
    expected = {step.span: _shown(analysis, whole.trace.visits.get(step.span, Visits())) for step in analysis.steps}
    assert found == expected, analysis.source.text


def _parts(analysis: Analysis, graph: Graph) -> object:
    spans = [_place(analysis, node.span) for node in graph.nodes]
    scopes = [
        (one.kind, one.path, one.arguments, one.given, _place(analysis, one.span), one.input, one.output)
        for one in graph.root.leaves_first()
    ]
    return graph.nodes, spans, graph.outputs, graph.parameters, scopes, graph.labels, graph.preprocess


def _shown(analysis: Analysis, visits: Visits) -> object:
    return visits.count, [
        (
            one.before,
            one.after,
            [(call.path, call.text, _place(analysis, call.span)) for call in one.chain],
            [node.path for node in one.nodes],
            [tensor.name for tensor in one.parameters],
        )
        for one in visits.kept
    ]


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


def _place(analysis: Analysis, span: Span) -> tuple[Path | None, int, int]:
    """A place by its file: each analysis reads the files that a text uses anew."""
    span = analysis.in_text(span)
    return span.source.path, span.start, span.end


def _ask(chance: random.Random, text: str, known: Known) -> bool:
    """Check everything that an editor may ask of a text; whether it has errors."""
    source = Source("net.res", text, SPECS / "net.res")
    analysis = Analysis(source, Settings(), "utf-16", read_file, known)
    analysis.run()
    _check_state(analysis)
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
    return bool(analysis.diagnostics.errors)


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
