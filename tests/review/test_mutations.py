"""Random networks and random edits: every change of the graph is reported, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

import resdsl
from resdsl.ir.graph import Graph
from resdsl.review.changes import Delta, Interface
from resdsl.review.html import render_html
from resdsl.review.markdown import render_markdown
from resdsl.review.review import Review, compare
from resdsl.review.terminal import render_text

WEIGHTED = [
    "conv(4, 3x3)",
    "conv(8, 1x1)",
    "conv(8, 3x3, stride = 2)",
    "conv(4, 5x5, bias = true)",
    "bn",
    "bn(eps = 0.01)",
]
PLAIN = ["relu", "silu", "maxpool(3x3)", "avgpool(3x3)", "maxpool(3x3, stride = 2)", "dropout(0.5)", "scale(0.5)"]


untimed = settings(deadline=None)
"""The first example waits for the language's tables."""


@dataclass(frozen=True)
class Layer:
    call: str
    label: str = ""

    def __str__(self) -> str:
        return f"{self.label}: {self.call}" if self.label else self.call


@st.composite
def networks(draw: st.DrawFn) -> list[Layer]:
    calls = draw(st.lists(st.sampled_from(WEIGHTED + PLAIN), min_size=1, max_size=8))
    return [Layer(call, f"w{place}" if call in WEIGHTED else "") for place, call in enumerate(calls)]


@st.composite
def mutations(draw: st.DrawFn) -> tuple[list[Layer], list[Layer]]:
    """A network and what a few edits make of it; labels stay unique."""
    old = draw(networks())
    new = list(old)
    for number in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(new) - 1))
        kind = draw(st.sampled_from(["replace", "insert", "delete", "swap", "rename"]))
        call = draw(st.sampled_from(WEIGHTED + PLAIN))
        if kind == "replace":
            label = new[place].label if call in WEIGHTED and new[place].label else ""
            new[place] = Layer(call, label or (f"r{number}" if call in WEIGHTED else ""))
        elif kind == "insert":
            new.insert(place, Layer(call, f"i{number}" if call in WEIGHTED else ""))
        elif kind == "delete" and len(new) > 1:
            del new[place]
        elif kind == "swap" and place:
            new[place - 1], new[place] = new[place], new[place - 1]
        elif kind == "rename" and new[place].label:
            new[place] = replace(new[place], label=f"n{number}")
    return old, new


def build(layers: list[Layer]) -> Graph:
    body = "\n  ".join(str(layer) for layer in layers)
    return resdsl.loads(f"model net {{\n  input x: f32[N, 4, 16, 16]\n  {body}\n  output y\n}}\n").graph


def meaning(graph: Graph) -> list[object]:
    """What a chain of layers is: each operator, what it takes, and the names of its tensors."""
    weighted = {parameter.node for parameter in graph.parameters.values()}
    return [(node.operator, node.inputs, node.path if node.index in weighted else "") for node in graph.nodes]


@untimed
@given(mutations())
def test_what_changes_the_graph_is_reported_and_nothing_else(pair: tuple[list[Layer], list[Layer]]) -> None:
    old, new = build(pair[0]), build(pair[1])
    review = compare(old, new)
    assert review.is_empty == (meaning(old) == meaning(new))
    totals_hold(review, old, new)


@untimed
@given(mutations())
def test_there_and_back_are_mirrors(pair: tuple[list[Layer], list[Layer]]) -> None:
    old, new = build(pair[0]), build(pair[1])
    there, back = compare(old, new), compare(new, old)
    opposite = {"added": "removed", "removed": "added"}
    assert sorted(change.kind for change in back.changes) == sorted(
        opposite.get(change.kind, change.kind) for change in there.changes
    )
    assert back.delta == Delta(-there.delta.parameters, 0 - there.delta.macs, 0 - there.delta.activation_bytes)


@untimed
@given(mutations())
def test_the_checkpoint_is_judged_by_names_and_shapes(pair: tuple[list[Layer], list[Layer]]) -> None:
    old, new = build(pair[0]), build(pair[1])
    verdict = compare(old, new).checkpoint
    stored = {name: parameter.shape for name, parameter in old.parameters.items()}
    wanted = {name: parameter.shape for name, parameter in new.parameters.items()}
    assert set(verdict.kept) == {name for name in wanted if stored.get(name) == wanted[name]}
    assert (verdict.fit == "fully") == (stored == wanted)
    # Whatever loads whole and is another function is called out, but for dropout, which does nothing at inference.
    if stored == wanted and without_dropout(pair[0]) != without_dropout(pair[1]) and stored:
        assert verdict.silent or verdict.misplaced
    if pair[0] == pair[1]:
        assert verdict.is_compatible


@untimed
@given(networks(), st.data())
def test_braces_comments_and_blocks_change_nothing(layers: list[Layer], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(layers) - 1))
    end = data.draw(st.integers(start + 1, len(layers)))
    plain = [str(layer) for layer in layers]
    moved = "\n  ".join(plain[start:end])
    lines = [*plain[:start], f"{{ {moved} }}  # as before", *plain[end:]]
    body = "\n\n  ".join(lines)
    new = resdsl.loads(f"model other {{\n  input x: f32[N, 4, 16, 16]\n  {body}\n  output y\n}}\n").graph
    assert compare(build(layers), new).is_empty


@untimed
@given(mutations())
def test_every_review_can_be_drawn(pair: tuple[list[Layer], list[Layer]]) -> None:
    review = compare(build(pair[0]), build(pair[1]))
    assert render_text(review, color=True, width=60)
    assert render_markdown(review)
    assert "</html>" in render_html(review)


def totals_hold(review: Review, old: Graph, new: Graph) -> None:
    assert sum((change.total for change in review.changes), Delta()) == review.delta
    assert review.delta.parameters == new.parameter_count - old.parameter_count
    assert review.delta.macs == new.macs - old.macs
    assert not any(isinstance(change, Interface) for change in review.changes if not change.what.startswith("output"))


def without_dropout(layers: list[Layer]) -> list[Layer]:
    return [layer for layer in layers if not layer.call.startswith("dropout")]
