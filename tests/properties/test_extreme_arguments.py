"""No operator accepts an argument that ONNX Runtime then rejects."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from resdsl.diagnostics import Diagnostics, Source
from resdsl.elaborate import Limits, elaborate, load_program
from resdsl.ops import operators
from resdsl.ops.signature import Argument, signature

from . import models
from .budget import examples

INPUTS = (
    "N, 4, 8, 8",
    "N, 6, 5, 7",
    "N, 4, H, W",
    "N, 12",
    "N, 1",
    "N",
    "N, 2, 3",
    "N, 2, 3, 4, 5",
    "N, C, H, W",
    "3, 4, H, H",
)
WHOLE = (0, 1, 2, 3, 4, 5, 7, 100, 1001, 2**20, 2**31, 2**31 + 1, 2**53 - 1)
NUMBERS = (
    "0",
    "-1",
    "1",
    "0.5",
    "-0.5",
    "1e-320",
    "1e-46",
    "1e-40",
    "0.999999999",
    "1e38",
    "-1e38",
    "1e39",
    "1e300",
    "-1e300",
)
LIMITS = Limits(elements=1_000_000)


def values(argument: Argument) -> st.SearchStrategy[str]:
    """Values of an argument's kind, ordinary ones and those at the ends."""
    ways: list[st.SearchStrategy[str]] = [st.sampled_from(argument.words)] if argument.words else []
    whole = st.sampled_from(WHOLE)
    small = st.integers(0, 6)
    if argument.kind.startswith("integer"):
        ways.append((small | whole).map(str))
    elif argument.kind.startswith("number from") or argument.kind == "number":
        ways.append(st.sampled_from(NUMBERS))
    elif argument.kind.startswith("true"):
        ways.append(st.sampled_from(("true", "false")))
    elif "size" in argument.kind:
        sizes = (small | whole).map(str) | st.builds("{}x{}".format, small, small | whole)
        ways += [sizes, st.builds("[{}, {}, {}, {}]".format, small, small, small, small | whole)]
    return st.one_of(ways)


@st.composite
def calls(draw: Any) -> str:
    """One operator with some of its arguments."""
    name = draw(st.sampled_from(sorted(operators())))
    taken = signature(operators()[name]).values()
    given = [one for one in taken if one.required or draw(st.booleans())]
    return f"{name}({', '.join(f'{one.name} = {draw(values(one))}' for one in given)})"


@examples(quick=250)
@given(calls(), st.sampled_from(INPUTS))
def test_what_is_accepted_runs(call: str, shape: str) -> None:
    diagnostics = Diagnostics()
    source = Source("call.res", f"model net() {{\n  input image: f32[{shape}]\n  {call}\n  output y\n}}\n")
    graph = elaborate(load_program(source, diagnostics), diagnostics, limits=LIMITS)
    assert (graph is None) == bool(diagnostics.errors)
    if graph is None:
        return
    sizes = {"N": 2, "C": 5, "H": 9, "W": 11}
    ours = models.shapes(graph, sizes)
    if any(size < 1 for size in ours["y"]):
        return  # a symbolic size that is too small for this window
    data = models.emitted(graph)
    for optimized in (False, True):
        made = models.run(data, models.pixels(graph, sizes), optimized=optimized)
        assert {name: value.shape for name, value in made.items()} == ours
