"""Pairs of networks, compared as text, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
from networks import PAIRS

from resdsl.ir.dims import Dim
from resdsl.ir.graph import Graph
from resdsl.review.changes import Delta
from resdsl.review.html import render_html
from resdsl.review.markdown import LONGEST, render_markdown
from resdsl.review.review import Review, compare
from resdsl.review.terminal import render_text

Golden = Callable[[str], None]

names = pytest.mark.parametrize("name", PAIRS)


@cache
def graphs(name: str) -> tuple[Graph, Graph]:
    old, new = PAIRS[name]
    return old(), new()


@cache
def review(name: str) -> Review:
    return compare(*graphs(name), sources=("old.res", "new.res"))


@names
def test_text(name: str, golden: Golden) -> None:
    golden(render_text(review(name), width=100))


@names
def test_markdown(name: str, golden: Golden) -> None:
    text = render_markdown(review(name))
    assert len(text) < LONGEST
    golden(text)


@names
def test_html(name: str, golden: Golden) -> None:
    _, body = frame_and_body(name)
    golden(body)


def test_html_frame(golden: Golden) -> None:
    """The head, with the style sheet: the same for every pair but for the title."""
    frame, _ = frame_and_body("stem")
    golden(frame)
    assert {frame_and_body(name)[0].replace(f"<title>{title(name)}</title>", "") for name in PAIRS} == {
        frame.replace(f"<title>{title('stem')}</title>", "")
    }


@names
def test_totals_are_the_differences_of_counts_made_apart(name: str) -> None:
    old, new = graphs(name)
    delta = review(name).delta
    assert delta.parameters == sum(counted(new)) - sum(counted(old))
    assert delta.macs == macs(new) - macs(old)


@names
def test_the_costs_of_changes_add_up_to_the_totals(name: str) -> None:
    assert sum((change.total for change in review(name).changes), Delta()) == review(name).delta


@names
def test_the_other_direction_mirrors(name: str) -> None:
    old, new = graphs(name)
    there, back = review(name), compare(new, old)
    assert (back.delta.parameters, back.delta.macs) == (-there.delta.parameters, 0 - there.delta.macs)
    opposite = {"added": "removed", "removed": "added"}
    kinds = sorted(opposite.get(change.kind, change.kind) for change in there.changes)
    assert sorted(change.kind for change in back.changes) == kinds
    places = {(place.old, place.new) for change in there.changes for place in change.places}
    assert {(place.new, place.old) for change in back.changes for place in change.places} == places
    assert set(back.checkpoint.missing) == set(there.checkpoint.unexpected)
    assert set(back.checkpoint.kept) == set(there.checkpoint.kept)


@names
def test_a_network_does_not_differ_from_itself(name: str) -> None:
    for graph in graphs(name):
        same = compare(graph, graph)
        assert same.is_empty
        assert same.checkpoint.is_compatible
        assert "no architectural change" in render_text(same)


def frame_and_body(name: str) -> tuple[str, str]:
    """The page of a pair: what is around its body, and the body."""
    before, start, rest = render_html(review(name)).partition("<body>\n")
    body, end, after = rest.partition("</body>")
    return before + start + end + after, body


def title(name: str) -> str:
    old, new = graphs(name)
    return new.name if old.name == new.name else f"{old.name} → {new.name}"


def counted(graph: Graph) -> list[int]:
    """Elements of the trainable tensors, from what the operators say that they own."""
    counts: list[int] = []
    for node in graph.nodes[1:]:
        for spec in node.operator.parameters(*graph.input_types(node)):
            size = 1
            for dim in spec.shape:
                size *= dim
            counts.append(size if spec.trainable else 0)
    return counts


def macs(graph: Graph) -> Dim:
    """Of a convolution: elements of the kernel for each pixel of the result; of a linear layer: of the matrix."""
    total: Dim = 0
    for node in graph.nodes[1:]:
        if not node.operator.counts_as_layer:
            continue
        weight = graph.parameters[f"{node.path}.weight"]
        pixels: Dim = 1
        for dim in node.type.shape[2:]:
            pixels = pixels * dim
        total = total + weight.count * pixels
    return total
