"""Nothing breaks the front end: damaged specifications give errors or a graph, never an exception."""

from __future__ import annotations

import random
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from resdsl.diagnostics import Diagnostics, Source
from resdsl.diagnostics.render import render
from resdsl.elaborate import Limits, elaborate, load_program
from resdsl.ir.verify import verify

ROOT = Path(__file__).parents[2]
SPECS = sorted([*ROOT.glob("specs/*.res"), *ROOT.glob("resdsl/std/*.res"), *Path(__file__).parent.glob("errors/*.res")])
TEXTS = {path: path.read_text(encoding="utf-8") for path in SPECS}
TOKEN = re.compile(r"\s+|\w+|[^\w\s]")
VALUES = (
    *("0", "-1", "1", "3", "2.5", "1e308", "3x3", "7x1", "9_007_199_254_740_993", "1 // 0"),
    *("true", "half", "projection", '"x"', "[1, 2]", "channels", "relu"),
    *("{", "}", "(", ")", ";", "->", "#", '"', "\0", "\u00d7"),
)

LIMITS = Limits(nodes=20_000, steps=100_000)


def by_line(text: str, draw: random.Random) -> str:
    """One line deleted, repeated, or swapped with another."""
    lines = text.split("\n")
    i, j = draw.randrange(len(lines)), draw.randrange(len(lines))
    kind = draw.randrange(3)
    if kind == 0:
        del lines[i]
    elif kind == 1:
        lines.insert(j, lines[i])
    else:
        lines[i], lines[j] = lines[j], lines[i]
    return "\n".join(lines)


def by_token(text: str, draw: random.Random) -> str:
    """One token deleted, repeated, swapped with another, or replaced."""
    tokens = TOKEN.findall(text)
    i, j = draw.randrange(len(tokens)), draw.randrange(len(tokens))
    kind = draw.randrange(4)
    if kind == 0:
        del tokens[i]
    elif kind == 1:
        tokens.insert(j, tokens[i])
    elif kind == 2:
        tokens[i], tokens[j] = tokens[j], tokens[i]
    else:
        tokens[i] = draw.choice(VALUES)
    return "".join(tokens)


def by_number(text: str, draw: random.Random) -> str:
    """One number exchanged with another of the text, or with an odd value."""
    numbers = list(re.finditer(r"\d[\d_.x]*", text))
    if not numbers:
        return text
    chosen = draw.choice(numbers)
    other = draw.choice([*VALUES, *(number.group() for number in numbers)])
    return text[: chosen.start()] + other + text[chosen.end() :]


def damaged(text: str, draw: random.Random) -> str:
    for _ in range(draw.randint(1, 4)):
        text = draw.choice((by_line, by_token, by_number))(text, draw) or "\n"
    return text


@settings(deadline=None)
@given(st.sampled_from(SPECS), st.integers(0, 2**32))
def test_a_damaged_text_gives_errors_or_a_graph(path: Path, seed: int) -> None:
    text = damaged(TEXTS[path], random.Random(seed))
    diagnostics = Diagnostics()
    program = load_program(Source(path.name, text, path), diagnostics, limits=LIMITS)
    models = program.main.models
    graphs = [elaborate(program, diagnostics, model=one.name, limits=LIMITS) for one in models]
    assert diagnostics.errors or all(graphs) or not models
    render(diagnostics, width=100)
    for graph in graphs:
        if graph is not None:
            verify(graph)
