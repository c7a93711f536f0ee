"""A changed valid specification is rejected, or is another network that ONNX Runtime runs."""

from __future__ import annotations

import re
from collections import Counter
from math import prod
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from resdsl.analysis.smallest_input import smallest_input
from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import Limits, elaborate, load_program
from resdsl.ir.graph import Graph
from resdsl.ir.verify import verify

from . import models
from .budget import examples
from .generate import specifications

TOKEN = re.compile(r"\s+|\w+(?:\.\d+)?|->|\.\.|==|//|[^\w\s]")
LIMITS = Limits(nodes=400, steps=10_000, elements=2_000_000)
LARGEST_RUN = 20_000_000
"""Elements of all values together, for a run that takes no long time."""
VALUES = ("0", "1", "2", "3", "7", "16", "0.5", "1x3", "3x3", "half", "same", "valid", "global", "channels", "true",
          "relu", "bn", "identity", "pad", "projection", "H", "N", "[1, 0, 2, 1]")  # fmt: skip


@st.composite
def mutations(draw: Any) -> str:
    """A specification made at random, and one to three changes of its words or lines."""
    text = draw(specifications()).text
    for _ in range(draw(st.integers(1, 3))):
        pieces, joint = (text.split("\n"), "\n") if draw(st.integers(0, 3)) == 0 else (TOKEN.findall(text), "")
        places = [place for place, piece in enumerate(pieces) if piece.strip()]
        if not places:
            return text
        one, other = draw(st.sampled_from(places)), draw(st.sampled_from(places))
        match draw(st.sampled_from(("number", "number", "exchange", "replace", "delete", "repeat"))):
            case "delete":
                del pieces[one]
            case "repeat":
                pieces.insert(other, pieces[one])
            case "exchange":
                pieces[one], pieces[other] = pieces[other], pieces[one]
            case "replace":
                pieces[one] = draw(st.sampled_from(VALUES))
            case _:
                numbers = [place for place in places if re.search(r"\d", pieces[place])]
                if numbers:
                    place = draw(st.sampled_from(numbers))
                    pieces[place] = re.sub(r"\d+", lambda _: str(draw(st.integers(0, 9))), pieces[place], count=1)
        text = joint.join(pieces)
    return text


def runnable_sizes(graph: Graph) -> dict[str, int] | None:
    """Sizes for the input's symbols at which the network can be run, quickly."""
    least = smallest_input(graph)
    sizes = {name: max(size or 1, 2 if name == "N" else 11) for name, size in least.items()}
    ours = models.shapes(graph, sizes)
    if any(size < 1 for shape in ours.values() for size in shape):
        return None
    return sizes if sum(map(prod, ours.values())) <= LARGEST_RUN else None


@examples(quick=120)
@given(mutations())
def test_change_is_refused_or_gives_a_network_that_runs(text: str) -> None:
    diagnostics = Diagnostics()
    program = load_program(Source("changed.res", text), diagnostics, limits=LIMITS)
    graph = elaborate(program, diagnostics, model="net", limits=LIMITS)
    codes = Counter(found.code.id for found in diagnostics.errors)
    assert (graph is None) == bool(codes)
    if graph is None:
        event("refused")
        return
    verify(graph)
    sizes = runnable_sizes(graph)
    if sizes is None:
        event("accepted, too large to be run here")
        return
    event("accepted and run")
    ours = models.shapes(graph, sizes)
    data = models.emitted(graph)
    made = models.run(models.every_value(data, list(ours)), models.pixels(graph, sizes))
    assert {name: value.shape for name, value in made.items()} == ours
